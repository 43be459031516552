"""What can be wrong with a price or a line.

ValidationError      PriceParameterError     a price as written breaks its model's contract
                     UnknownPriceModelError  no such model
BusinessLogicError   AmountTooLargeError     a line reaches 10^18 minor units
                     QuantityTooLargeError   a sum of quantities needs more than 38 digits
InternalError        RatingInputError        a frame that crosses the package breaks its schema
"""

from __future__ import annotations

from core.errors import BusinessLogicError, InternalError, ValidationError


class PriceParameterError(ValidationError):
    """A parameter of a price is missing, unknown, malformed or out of range."""

    code = "price_parameter_error"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)


class UnknownPriceModelError(ValidationError):
    """The price names a model that does not exist."""

    code = "unknown_price_model"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"model: {name!r} is not a price model; use one of {', '.join(known)}",
            field="model",
        )


class AmountTooLargeError(BusinessLogicError):
    """Lines whose amount reaches 10^18 minor units; nothing was rated."""

    code = "amount_too_large"

    def __init__(self, line_ids: list[str]) -> None:
        shown = ", ".join(line_ids[:5]) + (" …" if len(line_ids) > 5 else "")  # noqa: PLR2004 - readable
        super().__init__(
            f"amount: {len(line_ids)} line(s) reach the limit of 10^18 minor units: {shown};"
            " check the unit price and the quantity",
            lines=line_ids,
        )


class QuantityTooLargeError(BusinessLogicError):
    """Sums of quantities that reach 26 digits before the point; nothing was summed."""

    code = "quantity_too_large"

    def __init__(self, groups: list[str]) -> None:
        super().__init__(
            f"quantity: the sum of {len(groups)} group(s) reaches 10^26: {', '.join(groups[:5])}",
            groups=groups,
        )


class RatingInputError(InternalError):
    """A caller passed a frame that breaks the schema in `rating/frames.py`."""

    code = "rating_input_error"
