"""The price models: one file each, listed here once.

Owns: what the parameters of a price mean, and the exact amount of a quantity. Does not own: prices
as they are sold (`catalog/`), rounding, the steps around a model.
Invariants: parameters are checked before they are used; a model never rounds.
To add one: a file with its parameters, validation and expression, an entry in `MODELS`, a
same-named test that runs the shared suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rating.errors import UnknownPriceModelError
from rating.prices.base import Price, PriceModel
from rating.prices.flat import FlatPrice
from rating.prices.per_unit import PerUnitPrice

MODELS: Final[tuple[PriceModel, ...]] = (FlatPrice(), PerUnitPrice())

_BY_NAME: Final[Mapping[str, PriceModel]] = {model.name: model for model in MODELS}


def model_named(name: str) -> PriceModel:
    """The model called `name`. Raises `UnknownPriceModelError` listing those that exist."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownPriceModelError(name, tuple(_BY_NAME)) from None


__all__ = ["MODELS", "Price", "PriceModel", "model_named"]
