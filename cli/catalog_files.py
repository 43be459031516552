"""A catalog as a folder of TOML files: `meters.toml`, `features.toml`, `plans/SLUG.toml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cli.documents import read_document
from core.errors import ConflictError, ValidationError

if TYPE_CHECKING:
    from catalog.files.applying import Source

_FORMS: Final = {".toml", ".json"}


def read_catalog(path: Path) -> list[Source]:
    """The documents of a folder, by name, or of one file. Raises `ValidationError` naming it."""
    if not path.is_dir():
        return [_source(path, str(path))]
    files = sorted(each for each in path.rglob("*") if each.suffix in _FORMS and each.is_file())
    if not files:
        raise ValidationError(f"{path}: there is no .toml or .json file in it; export one first")
    return [_source(file, file.relative_to(path).as_posix()) for file in files]


def _source(file: Path, name: str) -> Source:
    from catalog.files.applying import Source
    from catalog.files.document import parse_catalog

    document = read_document(file)
    try:
        return Source(parse_catalog(document), f"{name}: ")
    except ValidationError as error:
        error.message = f"{name}: {error.message}"
        raise


def write_catalog(catalog: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path) -> list[Path]:
    """Write a catalog's document down as files, which replace those of before.

    Raises `ConflictError` for another file in the folder that would be read as well.
    """
    from catalog.files.toml_text import toml_of

    texts = {
        folder / f"{kind}.toml": toml_of({kind: list(catalog[kind])})
        for kind in ("meters", "features")
        if catalog[kind]
    }
    for plan in catalog["plans"]:
        texts[folder / "plans" / f"{plan['slug']}.toml"] = toml_of({"plans": [plan]})
    beside = [
        each
        for each in sorted(folder.rglob("*"))
        if each.suffix in _FORMS and each.is_file() and each not in texts
    ]
    if beside:
        raise ConflictError(
            f"{beside[0]}: nothing of the catalog stands in it, and it would be read with the"
            " files; remove it, or export elsewhere"
        )
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    return list(texts)
