"""Style and layout as tests. A failure lists every place, as `path:line: what`."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests import sources
from tests.sources import ROOT

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 70
LINE_COLUMNS_MAX: Final = 100

_ENTRY_POINTS: Final = ("cli", "tests", "benchmarks", "sdk")
_CLOCK_READS: Final = {
    f"{module}{name}"
    for module in ("datetime.", "datetime.datetime.")
    for name in ("now", "utcnow", "today")
} | {"date.today", "datetime.date.today", "time.time", "time.time_ns"}
_DURATIONS: Final = {"time.monotonic", "time.monotonic_ns"}
_SUPPRESSION: Final = re.compile(r"\s*# (?:noqa|type:)")
_ROW_BY_ROW: Final = {"map_elements", "iter_rows", "map_batches", "map_groups", "map_rows"}
_UNSAFE_AGGREGATE: Final = re.compile(
    r"\b(sum|sumIf|sumMerge|sumWithOverflow)\s*\(\s*(\S+)", re.IGNORECASE
)
_PRODUCT: Final = re.compile(r"(\S+)\s+\*\s+(\S+)")
# Integers of the ledger and of `meter_usage`: no decimals, hence nothing to widen.
_COUNTS: Final = re.compile(
    r"^(\w+\.)?(\w*_count|records|events|accepted|duplicates|conflicts|rejected"
    r"|chunk_records|run|\d+)\b"
)


def _fail_on(places: Iterator[str]) -> None:
    found = sorted(places)
    assert not found, "\n" + "\n".join(found)


def test_directories_packages_import_roots_and_typed_files_agree() -> None:
    project, found = sources.project(), sources.packages()
    shipped = found - {"benchmarks"}
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == shipped
    assert set(project["tool"]["importlinter"]["root_packages"]) == shipped
    assert set(project["tool"]["mypy"]["files"]) == found | {"tests"}
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert {name for layer in layers for name in layer.split(" | ")} == shipped


@pytest.mark.parametrize("name", sorted(sources.packages()))
def test_a_package_resolves_inside_the_repository(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_every_package_says_what_it_owns_what_not_and_its_invariants() -> None:
    names = {path for path, _ in sources.python(*sources.packages()) if path.name == "__init__.py"}
    wanted = ("Owns:", "Does not own:", "Invariants:")
    _fail_on(
        f"{path}: its docstring lacks {word!r}"
        for path in names
        for word in wanted
        if word not in " ".join((ast.get_docstring(sources.tree(path)) or "").split())
    )


def test_every_folder_with_python_is_a_package() -> None:
    folders = {path.parent for path, _ in sources.python()}
    _fail_on(
        f"{folder}/: no __init__.py"
        for folder in folders - {Path()}
        if folder / "__init__.py" not in sources.texts() and folder != Path("sdk/python")
    )


def test_files_functions_and_lines_are_short() -> None:
    def long() -> Iterator[str]:
        for path, text in sources.python():
            lines = text.splitlines()
            if len(lines) > FILE_LINES_MAX:
                yield f"{path}: {len(lines)} lines, at most {FILE_LINES_MAX}"
            for number, line in enumerate(lines, 1):
                columns = len(_SUPPRESSION.split(line)[0])
                if columns > LINE_COLUMNS_MAX:
                    yield f"{path}:{number}: {columns} columns, at most {LINE_COLUMNS_MAX}"
            for node in ast.walk(sources.tree(path)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    if length > FUNCTION_LINES_MAX:
                        yield f"{path}:{node.lineno}: {node.name} has {length} lines"

    _fail_on(long())


def test_only_the_clock_reads_the_time() -> None:
    _fail_on(
        f"{path}:{line}: {name}: take a core.clock.Clock, or monotonic_seconds for durations"
        for path, _ in sources.python(*sources.packages(), "tests")
        if path not in {Path("core/clock.py"), Path("tests/faults/clocks.py")}
        for line, name in sources.uses(sources.tree(path))
        if name in _CLOCK_READS or (name in _DURATIONS and path.parts[0] != "tests")
    )


def test_money_is_never_a_float() -> None:
    def floats() -> Iterator[str]:
        for path, _ in sources.python("rating", "invoicing", "core"):
            if path.parts[0] == "core" and path.name != "money.py":
                continue
            for node in ast.walk(sources.tree(path)):
                if isinstance(node, ast.Call) and sources.dotted(node.func) == "float":
                    yield f"{path}:{node.lineno}: float()"
                elif isinstance(node, ast.Constant) and isinstance(node.value, float):
                    yield f"{path}:{node.lineno}: the literal {node.value} is a float"
                elif isinstance(node, ast.Attribute) and node.attr in {"Float32", "Float64"}:
                    yield f"{path}:{node.lineno}: {node.attr}"

    _fail_on(floats())


def test_rating_works_on_columns_only() -> None:
    _fail_on(
        f"{path}:{line}: {name}"
        for path, _ in sources.python("rating")
        for line, name in sources.uses(sources.tree(path))
        if name.rpartition(".")[2] in _ROW_BY_ROW
    )


def test_only_entry_points_read_the_environment() -> None:
    _fail_on(
        f"{path}:{line}: {name}: take a mapping as an argument"
        for path, _ in sources.python(*sources.packages())
        if path.parts[0] not in _ENTRY_POINTS and path.name != "__main__.py"
        for line, name in sources.uses(sources.tree(path))
        if name in {"os.environ", "os.getenv", "os.environb"}
    )


def test_every_sql_file_is_used_and_every_name_loaded_exists() -> None:
    names = {
        path.relative_to("sql").with_suffix("").as_posix()
        for path in sources.files()
        if path.suffix == ".sql" and path.parts[0] == "sql" and "migrations" not in path.parts
    }
    said = {
        text
        for path, _ in sources.python(*sources.packages())
        for _, text in sources.strings(sources.tree(path))
    }
    used = {name for name in names if name in said or name.rpartition("/")[2] in said}
    loaded = {text for text in said if re.fullmatch(r"(postgres|clickhouse)/queries/\w+", text)}
    assert names - used == set()
    assert loaded - names == set()


def test_sql_stands_in_sql_files_only() -> None:
    _fail_on(
        f"{path}:{line}: a SQL statement in Python: {' '.join(text.split())[:60]}"
        for path, _ in sources.python(*sources.packages())
        if not path.is_relative_to("infra/local/clickhouse")
        for line, text in sources.statements(sources.tree(path))
    )


def test_sums_and_products_of_decimals_are_widened_first() -> None:
    """The engine's `sum` and `*` on Decimal(38) wrap without an error."""

    def narrow() -> Iterator[str]:
        for path, text in sources.texts().items():
            if not path.is_relative_to("sql/clickhouse") or path.suffix != ".sql":
                continue
            for number, line in enumerate(text.splitlines(), 1):
                code = line.partition("--")[0]
                for found in _UNSAFE_AGGREGATE.finditer(code):
                    argument = found.group(2)
                    if not (argument.startswith("toDecimal256(") or _COUNTS.match(argument)):
                        yield f"{path}:{number}: {found.group(1)}({argument}: use toDecimal256"
                for found in _PRODUCT.finditer(code):
                    if "toDecimal256(" not in code and not all(
                        _COUNTS.match(factor.strip("(),")) for factor in found.groups()
                    ):
                        yield f"{path}:{number}: {found.group(0)}: use toDecimal256"

    _fail_on(narrow())


def test_no_word_means_three_things() -> None:
    word = re.compile(r"\bcharg" + "es?\\b", re.IGNORECASE)
    _fail_on(
        f"{path}:{number}: {line.strip()[:80]}"
        for path, text in sources.texts().items()
        if path.name != "LICENSE"
        for number, line in enumerate(text.splitlines(), 1)
        if word.search(line)
    )


def test_no_machine_and_no_registry_is_named() -> None:
    # Put together from pieces, so that this file does not name them either.
    hosts = (r"pypi\.or" + "g", "pythonhoste" + "d", r"repo1?\.mave" + "n", "--index" + "-url")
    pattern = re.compile(r"(?<![\w.~}])/(work|root|home|Users)/|" + "|".join(hosts))
    _fail_on(
        f"{path}:{number}: {found.group(0)}"
        for path, text in sources.texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        for found in pattern.finditer(line)
    )


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-bootstrap.lock", "tests/compat/clients.lock"]
)
def test_a_lock_file_holds_versions_and_hashes_and_nothing_else(name: str) -> None:
    version = r"[A-Za-z0-9._\[\],-]+==[\w.!+]+(?: ; [^\\\n@]+)?"
    hashes = r"(?: \\\n +--hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{version}{hashes})+", (ROOT / name).read_text(encoding="utf-8"))


def test_every_suppression_names_its_code_and_its_reason() -> None:
    suppression = re.compile(r"#\s*(noqa|type:\s*ignore|pragma)", re.IGNORECASE)
    complete = re.compile(
        r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)* - \S.*|# type: ignore\[[a-z-]+(, ?[a-z-]+)*\] +# \S.*"
    )
    _fail_on(
        f"{path}:{line}: {comment}"
        for path, text in sources.python()
        for line, comment in sources.comments(text)
        if suppression.search(comment) and not complete.search(comment)
    )


def test_every_link_between_documents_leads_to_a_file() -> None:
    def broken() -> Iterator[str]:
        for path, text in sources.texts().items():
            if path.suffix != ".md":
                continue
            for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text):
                if "://" not in target and not (ROOT / path.parent / target).exists():
                    yield f"{path}: no {target}"

    _fail_on(broken())
