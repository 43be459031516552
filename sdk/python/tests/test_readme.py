from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.receiver import Receiver

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    ("number", "events"), list(enumerate([2, 1, 1, 2])), ids=["first", "spool", "async", "llm"]
)
def test_an_example_runs_with_only_the_address_changed(
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    events: int,
) -> None:
    assert len(BLOCKS) == 4
    monkeypatch.chdir(tmp_path)
    code = BLOCKS[number].replace("http://127.0.0.1:8080", receiver.url).replace("…", "test")
    exec(compile(code, f"README.md, block {number}", "exec"), {"__name__": "__main__"})
    assert len(receiver.accepted_events()) == events
