"""An invoice as a PDF, through Typst."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import typst

from core.errors import InternalError
from documents.view import invoice_view

TEMPLATE: Final = Path(__file__).parent / "invoice.typ"


def invoice_pdf(document: Mapping[str, Any], font_paths: Sequence[Path] = ()) -> bytes:
    """The PDF (PDF/A-2b, A4) of a canonical invoice document.

    Fonts of the machine are not looked at, so that the same document gives the same bytes
    everywhere; `font_paths` adds folders of fonts for scripts beyond Latin, Greek and Cyrillic.
    Raises `InternalError` when the template does not compile.
    """
    try:
        return typst.compile(
            str(TEMPLATE),
            format="pdf",
            ignore_system_fonts=True,
            font_paths=[str(path) for path in font_paths],
            pdf_standards="a-2b",
            timestamp=0,
            sys_inputs={"invoice": json.dumps(invoice_view(document))},
        )
    except typst.TypstError as error:
        raise InternalError(f"invoice template: {error}") from error
