"""Money: exact decimals of a currency, and integers of its minor unit once rounded.

Minor-unit digits follow ISO 4217 (2026 edition), never what a payment provider counts in: some
take ISK and UGX with two digits, or KWD in steps of ten. Currencies and national units of account
are all there; metals, bonds, drawing rights and test codes are not: nothing is invoiced in them. A
rounded amount is an `int` of minor units; it is made in `rating/rounding.py` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.errors import ValidationError

MINOR_LIMIT: Final = 10**18
"""Amounts of this many minor units and more are refused."""

_NO_DIGITS: Final = """
    BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
"""
_TWO_DIGITS: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
    CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
    GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
    LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO
    NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
    SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
    XCD XCG YER ZAR ZMW ZWG
"""
_THREE_DIGITS: Final = """
    BHD IQD JOD KWD LYD OMR TND
"""
_FOUR_DIGITS: Final = """
    CLF UYW
"""
_DIGITS: Final = {
    code: digits
    for digits, codes in ((0, _NO_DIGITS), (2, _TWO_DIGITS), (3, _THREE_DIGITS), (4, _FOUR_DIGITS))
    for code in codes.split()
}
_SUCCESSORS: Final = {
    "ANG": "XCG",
    "BGN": "EUR",
    "CUC": "CUP",
    "HRK": "EUR",
    "SLL": "SLE",
    "ZWL": "ZWG",
}
"""Codes that were withdrawn in the 2020s, and what is paid with instead."""


@dataclass(frozen=True, slots=True, order=True)
class Currency:
    """An ISO 4217 currency. Raises `ValidationError` for an unknown code."""

    code: str

    def __post_init__(self) -> None:
        if self.code not in _DIGITS:
            capitals = self.code.strip().upper()
            known = capitals if capitals in _DIGITS else _SUCCESSORS.get(capitals)
            fix = f"such as EUR; write {known}" if known else "such as EUR"
            raise ValidationError(
                f"currency: {self.code!r} is not an ISO 4217 code in capitals, {fix}",
                field="currency",
            )

    @property
    def minor_digits(self) -> int:
        """Decimal places of the minor unit: 0 (JPY), 2 (EUR), 3 (KWD) or 4 (CLF)."""
        return _DIGITS[self.code]

    def format_minor(self, amount_minor: int) -> str:
        """Plain decimal text of an amount in minor units: 1234 → "12.34"."""
        return minor_text(amount_minor, self.minor_digits)

    def __str__(self) -> str:
        return self.code


def minor_text(amount_minor: int, minor_digits: int) -> str:
    """Plain decimal text of an amount in units of 10^-minor_digits: 1234, 2 → "12.34"."""
    return f"{Decimal(amount_minor).scaleb(-minor_digits):f}"


@dataclass(frozen=True, slots=True)
class Money:
    """A rounded amount: `amount_minor` units of 10^-minor_digits of `currency`."""

    amount_minor: int
    currency: Currency

    def __post_init__(self) -> None:
        if abs(self.amount_minor) >= MINOR_LIMIT:
            raise ValidationError(
                f"amount: {self.amount_minor} minor units is over the limit of 10^18"
            )

    def as_json(self) -> dict[str, str]:
        """The wire form: `{"amount": "12.34", "currency": "EUR"}`."""
        return {
            "amount": self.currency.format_minor(self.amount_minor),
            "currency": self.currency.code,
        }
