"""The digits of every currency, and codes that are none."""

from __future__ import annotations

from typing import Final

import pytest

from core.errors import ValidationError
from core.money import _DIGITS, Currency

NOT_TWO: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


def test_each_currency_has_the_digits_of_iso_4217() -> None:
    expected = {code: digits for digits, codes in NOT_TWO.items() for code in codes.split()}
    found = {code: Currency(code).minor_digits for code in _DIGITS}
    assert {code: digits for code, digits in found.items() if digits != 2} == expected
    assert len(found) == 17 + 138 + 7 + 2


@pytest.mark.parametrize(
    ("code", "digits"),
    [
        ("BHD", 3),  # another system has two digits for BHD, JOD, OMR, TND, ISK and UGX
        ("JOD", 3),
        ("OMR", 3),
        ("TND", 3),
        ("ISK", 0),
        ("UGX", 0),
        ("KWD", 3),
        ("HUF", 2),  # paid out in whole forints, priced in fillér
        ("MGA", 2),  # coins are fifths, the digits are two
        ("MRU", 2),
        ("XCG", 2),
        ("COU", 2),
    ],
)
def test_digits_are_never_guessed_from_what_is_paid_with(code: str, digits: int) -> None:
    assert Currency(code).minor_digits == digits


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("eur", "write EUR"),
        (" USD", "write USD"),
        ("BGN", "write EUR"),
        ("HRK", "write EUR"),
        ("ANG", "write XCG"),
        ("DEM", "such as EUR"),
        ("XAU", "such as EUR"),
        ("XXX", "such as EUR"),
        ("XTS", "such as EUR"),
        ("", "such as EUR"),
        ("€", "such as EUR"),
        ("BTC", "such as EUR"),
    ],
)
def test_a_code_that_is_no_currency_is_refused_with_the_fix(code: str, fix: str) -> None:
    with pytest.raises(ValidationError, match=rf"^currency: '{code}' is not .*{fix}$") as raised:
        Currency(code)
    assert raised.value.details == {"field": "currency"}
