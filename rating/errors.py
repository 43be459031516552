"""What can be wrong with a price or a line.

ValidationError      PriceParameterError     a price as written breaks its model's contract
                     UnknownPriceModelError  no such model
                     UsageTableError         a table of usage breaks the contract of a column
BusinessLogicError   AmountTooLargeError     a line reaches 10^18 minor units
                     QuantityTooLargeError   a sum of quantities needs more than 38 digits
                     UnpricedGroupError      a price has no amount for a group of usage
                     LineOrderError          lines are percentages of each other
                     UsageTooLargeError      what an agreement counts reaches 10^15 units
                     NotInForceError         nothing is agreed for an instant
                     UnpricedEventError      an event carries no amount, and the price no default
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


class UsageTableError(ValidationError):
    """A column of a table of usage is missing, or a value of it malformed."""

    code = "usage_table_error"

    def __init__(self, column: str, problem: str, row: int | None = None) -> None:
        self.column, self.problem, self.row = column, problem, row
        where = column if row is None else f"{column}, row {row + 1}"
        super().__init__(f"{where}: {problem}", field=column, row=row)


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


class UnpricedGroupError(BusinessLogicError):
    """Usage of values of dimensions that a price does not list, and has no default for."""

    code = "unpriced_group"

    def __init__(self, groups: list[str]) -> None:
        shown = ", ".join(groups[:5]) + (" …" if len(groups) > 5 else "")  # noqa: PLR2004 - readable
        super().__init__(
            f"group: the price of {len(groups)} line(s) does not list {shown};"
            " add a cell, or a default",
            groups=groups,
        )


class LineOrderError(BusinessLogicError):
    """Lines that are percentages of each other, or of too many in a row; nothing was rated."""

    code = "line_order"

    def __init__(self, line_ids: list[str], problem: str) -> None:
        shown = ", ".join(line_ids[:5]) + (" …" if len(line_ids) > 5 else "")  # noqa: PLR2004 - readable
        super().__init__(
            f"lines: percentages of lines {problem}: {shown};"
            " take one of them out of the `lines` of the other",
            lines=line_ids,
        )


class UnpricedEventError(BusinessLogicError):
    """Events without the amount that their price reads from them, which has no default."""

    code = "unpriced_event"

    def __init__(self, line_ids: list[str]) -> None:
        shown = ", ".join(line_ids[:5]) + (" …" if len(line_ids) > 5 else "")  # noqa: PLR2004 - readable
        super().__init__(
            f"amount: events of {len(line_ids)} line(s) carry none: {shown};"
            " send it, or give the price a default",
            lines=line_ids,
        )


class UsageTooLargeError(BusinessLogicError):
    """Usage that counts toward an agreement reaches 10^15 units; nothing was rated."""

    code = "usage_too_large"

    def __init__(self, rows: list[str]) -> None:
        super().__init__(
            f"quantity: {len(rows)} row(s) reach the limit of 10^15 units: {', '.join(rows[:5])};"
            " count in a larger unit",
            rows=rows,
        )


class NotInForceError(BusinessLogicError):
    """A dated list says nothing of an instant, because its first entry begins later."""

    code = "not_in_force"

    def __init__(self, field: str, rows: list[str]) -> None:
        super().__init__(
            f"{field}: nothing is in force for {len(rows)} row(s): {', '.join(rows[:5])};"
            " add an entry that begins earlier",
            field=field,
            rows=rows,
        )


class RatingInputError(InternalError):
    """A caller passed a frame that breaks the schema in `rating/frames.py`."""

    code = "rating_input_error"
