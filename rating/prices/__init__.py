"""The price models: one file each, listed here once.

Owns: what the parameters of a price mean, and the exact amount of a quantity. Does not own: prices
as they are sold (`catalog/`), rounding, the steps around a model.
Invariants: parameters are checked before they are used; a model never rounds; all lines of a model
are rated in one pass.
To add one: a file with its parameters and what they mean, an entry in `MODELS`, a same-named test
that runs the shared suite, a golden file and a page under `docs/reference/prices/`, whose worked
example and picture are made of `examples/MODEL.toml` by `python -m tests.docs.price_pages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rating.errors import UnknownPriceModelError
from rating.prices.base import Price, PriceModel
from rating.prices.basis_points import BasisPointsPrice
from rating.prices.capacity import CapacityPrice
from rating.prices.cost_plus import CostPlusPrice
from rating.prices.dynamic import DynamicPrice
from rating.prices.flat import FlatPrice
from rating.prices.graduated import GraduatedPrice
from rating.prices.graduated_package import GraduatedPackagePrice
from rating.prices.graduated_percentage import GraduatedPercentagePrice
from rating.prices.matrix import MatrixPrice
from rating.prices.package import PackagePrice
from rating.prices.per_unit import PerUnitPrice
from rating.prices.percent_of_lines import PercentOfLinesPrice
from rating.prices.percentage import PercentagePrice
from rating.prices.stairstep import StairstepPrice
from rating.prices.threshold_total import ThresholdTotalPrice
from rating.prices.time_of_day import TimeOfDayPrice
from rating.prices.volume import VolumePrice
from rating.prices.volume_package import VolumePackagePrice

MODELS: Final[tuple[PriceModel, ...]] = (
    FlatPrice(),
    PerUnitPrice(),
    PackagePrice(),
    GraduatedPrice(),
    VolumePrice(),
    StairstepPrice(),
    GraduatedPackagePrice(),
    VolumePackagePrice(),
    ThresholdTotalPrice(),
    MatrixPrice(),
    CapacityPrice(),
    PercentagePrice(),
    GraduatedPercentagePrice(),
    BasisPointsPrice(),
    DynamicPrice(),
    CostPlusPrice(),
    TimeOfDayPrice(),
    PercentOfLinesPrice(),
)

_BY_NAME: Final[Mapping[str, PriceModel]] = {model.name: model for model in MODELS}


def model_named(name: str) -> PriceModel:
    """The model called `name`. Raises `UnknownPriceModelError` listing those that exist."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownPriceModelError(name, tuple(_BY_NAME)) from None


__all__ = ["MODELS", "Price", "PriceModel", "model_named"]
