"""Contracts as people and programs write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from catalog.plan_document import Text, WrittenPrice
from core.instants import Instant
from core.refusals import refusal_of

PRICES_MAX: Final = 500
"""Prices of one contract."""

_RULES: Final = ConfigDict(extra="forbid", frozen=True)


class CustomPriceEntry(BaseModel):
    """The price of a line in `[start, end)`: in all of the contract's term unless told.

    `key` is that of the line; `plan` says of which plan, missing: of any that has such a line.
    `price` is written as in a plan.
    """

    model_config = _RULES
    key: Text
    price: WrittenPrice
    plan: Text | None = None
    start: Instant | None = None
    end: Instant | None = None


class NewContractBody(BaseModel):
    """What is agreed with a customer from `start` (missing: now) to `end` (missing: for ever).

    With a `subscription`, for that one alone; without, for all of the customer's. `minimum` is what
    each period of the subscription comes to at least, such as "1000.00". `expires`: the
    subscription ends with the contract.
    """

    model_config = _RULES
    slug: Text
    customer: Text
    name: Text | None = None
    subscription: Text | None = None
    start: Instant | None = None
    end: Instant | None = None
    minimum: Text | None = None
    expires: bool = False
    prices: Annotated[list[CustomPriceEntry], Field(max_length=PRICES_MAX)] = []
    metadata: dict[str, str] = {}


class EndContractBody(BaseModel):
    """When the contract ends; missing: now."""

    model_config = _RULES
    at: Instant | None = None


def parse_contract(document: Mapping[str, Any]) -> NewContractBody:
    """A new contract as it is written. Raises `ValidationError` naming path and fix."""
    try:
        return NewContractBody.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
