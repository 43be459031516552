from __future__ import annotations

from tests.docs.event_page import PAGE, page


def test_the_page_of_events_is_what_the_types_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.docs.event_page"
