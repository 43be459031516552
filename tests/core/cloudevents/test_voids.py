from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from core.cloudevents.contract import Admitted, admit
from core.cloudevents.wire import WireEvent
from core.events import VOID_TYPE, event_key

TENANT = "0199e5a0-0000-7000-8000-000000000001"


def void(data: Any, **attributes: str) -> Admitted:
    named = {"specversion": "1.0", "id": "v1", "source": "ops", "type": VOID_TYPE} | attributes
    event = msgspec.convert(named, WireEvent)
    raw = msgspec.Raw(json.dumps(data).encode())
    event = msgspec.structs.replace(event, data=raw)
    return admit([event], TENANT, 1_800_000_000_000_000, escaped=False)


def test_a_void_has_the_key_of_its_target_and_needs_no_subject() -> None:
    columns = void({"source": "shop", "id": "42"}).columns
    assert columns.key == [event_key(TENANT, "shop", "42")]
    assert (columns.id, columns.source, columns.subject) == (["v1"], ["ops"], ["void"])
    assert void({"source": "shop", "id": "42"}, subject="who").columns.subject == ["who"]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({}, "missing required field `source`"),
        ({"source": "s"}, "missing required field `id`"),
        ({"source": "s", "id": 7}, "Expected `str`, got `int` - at `$.id`"),
        ({"source": "s", "id": "1", "extra": 1}, "unknown field `extra`"),
        ({"source": "", "id": "1"}, "data.source of a void must have 1 to 256 bytes"),
        ({"source": "s", "id": "i" * 257}, "data.id of a void must have 1 to 256 bytes"),
    ],
)
def test_a_void_that_names_nothing_is_refused_with_the_field(data: Any, named: str) -> None:
    (rejection,) = void(data).rejections
    assert rejection.code == "invalid_void"
    assert named in rejection.message
