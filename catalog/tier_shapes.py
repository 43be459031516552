"""Tiers as people write them: their fields, and what of a list of tiers contradicts itself.

The models read bounds and amounts once more; here every mistake of a tier is told by its path, and
quantities that no tier or two tiers price are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from core.errors import ValidationError
from core.refusals import refusal_of
from rating.lint import Finding, TierTerms, lint_tiers
from rating.prices import PriceModel
from rating.prices.base import TIERS_MAX

CLIFF: Final = "cliff"
"""The kind of finding that may be meant: more usage that costs less."""

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class _Tiered:
    """What the tiers of a model may say."""

    amounts: tuple[str, ...]
    sized: bool = False


_BOTH: Final = ("unit_amount", "flat_amount")
_TIERED: Final[Mapping[str, _Tiered]] = {
    "graduated": _Tiered(_BOTH),
    "volume": _Tiered(_BOTH),
    "stairstep": _Tiered(("flat_amount",)),
    "graduated_package": _Tiered(_BOTH, sized=True),
    "volume_package": _Tiered(_BOTH, sized=True),
}


def _as_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _decimal(text: str) -> str:
    whole, _, part = text.partition(".")
    digits = f"{whole}{part or '0'}"
    if not (whole and digits.isascii() and digits.isdigit()) or text.endswith("."):
        raise ValueError('give a decimal in quotes that is not negative, such as "0.50"')
    if len(whole) > 26 or len(part) > 12:  # noqa: PLR2004 - the digits of Decimal(38, 12)
        raise ValueError("at most 26 digits before the point and 12 after it")
    return text


_Exact = Annotated[str, BeforeValidator(_as_text), AfterValidator(_decimal)]
_Text = Annotated[str, Field(min_length=1, max_length=256)]


class _TierEntry(BaseModel):
    model_config = _RULES
    above: _Exact | None = None
    up_to: _Exact | None = None
    unit_amount: _Exact | None = None
    flat_amount: _Exact | None = None
    size: _Exact | None = None


class _TieredEntry(BaseModel):
    model_config = _RULES
    tiers: Annotated[list[_TierEntry], Field(min_length=1, max_length=TIERS_MAX)]
    group_by: list[_Text] = []
    groups: list[dict[str, _Text]] = []


@dataclass(frozen=True, slots=True)
class Shape:
    """The tiers of a price, what is wrong with them, and its parameters as its model reads them."""

    parameters: Mapping[str, Any]
    tiers: tuple[TierTerms, ...] | None = None
    findings: tuple[Finding, ...] = ()


def read_shape(model: PriceModel, parameters: Mapping[str, Any], path: str) -> Shape:
    """Check the tiers of a price; findings have their paths below `path`.

    A model without tiers of this kind has its parameters as they are. Raises `ValidationError`
    naming the path and the fix.
    """
    shape = _TIERED.get(model.name)
    if shape is None:
        return Shape(parameters)
    try:
        entry = _TieredEntry.model_validate(dict(parameters))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
    tiers = _tiers(entry, shape)
    at = f"{path}.tiers" if path else "tiers"
    found = lint_tiers(tiers, whole_quantity=not model.marginal, path=at)
    plain = [
        {name: value for name, value in tier.items() if name != "above" and value is not None}
        for tier in parameters["tiers"]
    ]
    return Shape({**parameters, "tiers": plain}, tiers, tuple(found))


def _tiers(entry: _TieredEntry, model: _Tiered) -> tuple[TierTerms, ...]:
    return tuple(_tier(tier, model, f"tiers[{number}]") for number, tier in enumerate(entry.tiers))


def _tier(tier: _TierEntry, model: _Tiered, path: str) -> TierTerms:
    written = tier.model_dump(exclude_none=True)
    known = {"above", "up_to", *model.amounts} | ({"size"} if model.sized else set())
    for name in written:
        if name not in known:
            raise ValidationError(f"{path}.{name}: this model does not know it; leave it out")
    if not any(name in written for name in model.amounts):
        raise ValidationError(f"{path}.{model.amounts[0]}: missing; add it")
    if model.sized:
        _check_size(tier.size, f"{path}.size")
    return TierTerms(
        up_to=_optional(tier.up_to),
        unit_amount=Decimal(tier.unit_amount or 0),
        flat_amount=Decimal(tier.flat_amount or 0),
        size=_optional(tier.size),
        above=_optional(tier.above),
    )


def _check_size(size: str | None, path: str) -> None:
    if size is None or not Decimal(size):
        raise ValidationError(f"{path}: give the units of a package, above zero")


def _optional(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
