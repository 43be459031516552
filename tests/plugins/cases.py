"""How many cases some properties are tried with: few in the suite, more on demand."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rating-cases",
        type=int,
        default=200,
        help="lines rated per price model beside its oracle",
    )
    parser.addoption(
        "--life-cases",
        type=int,
        default=30,
        help="random lives of subscriptions beside a calendar kept by hand",
    )


@pytest.fixture(scope="session")
def rating_cases(pytestconfig: pytest.Config) -> int:
    """Lines to rate at least, in the main property of each price model."""
    return int(pytestconfig.option.rating_cases)


@pytest.fixture(scope="session")
def life_cases(pytestconfig: pytest.Config) -> int:
    """Lives of a subscription to try."""
    return int(pytestconfig.option.life_cases)
