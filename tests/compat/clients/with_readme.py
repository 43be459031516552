"""The Python examples of a client's own README, with the URL and the key replaced."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stdout
from importlib.metadata import metadata
from typing import Any

_HEADING = re.compile(r"^(#+) (.+)$")
_KEY = "your-api-token"


def sections(text: str) -> list[tuple[str, str]]:
    """(name of the section of the second or third rank, an example of it), in order."""
    found: list[tuple[str, str]] = []
    name = ""
    example: list[str] | None = None
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if example is not None:
            if line.startswith("```"):
                found.append((name, "\n".join(example)))
                example = None
            else:
                example.append(line)
        elif line.startswith("```python"):
            example = []
        elif heading and len(heading[1]) <= len("###"):
            name = heading[2]
    return found


def main() -> None:
    asked: dict[str, Any] = json.load(sys.stdin)
    text = str(metadata(asked["package"]).get_payload())  # type: ignore[attr-defined]  # a message
    for theirs, path in asked["urls"].items():
        text = text.replace(theirs, asked["url"] + path)
    text = text.replace(_KEY, asked["key"])
    printed, names = io.StringIO(), {"__name__": "__main__"}
    with redirect_stdout(printed):
        for about, number in asked["examples"]:
            examples = [code for name, code in sections(text) if name == about]
            exec(examples[number], names)
    print(json.dumps({"printed": printed.getvalue()}))


main()
