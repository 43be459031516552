"""Hot queries about subscriptions use indexes, among 60,000 of three tenants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.crowd import fill
from benchmarks.query_plans import Answer, ask, large_tables
from tests.plugins.database import new_database
from tests.plugins.installations import Installer

SUBSCRIPTIONS = (5_000, 50_000, 5_000)
"""Of each tenant. Reading all rows tempts most where most of them are the tenant's own."""

PAGE = 500
"""Of a tenth of the tenant's and more, reading the table is the better plan."""


@pytest.fixture(scope="module")
def answers(installer: Installer) -> Iterator[dict[str, Answer]]:
    """How each hot query is answered, for the tenant in the middle, under row-level security."""
    with new_database(installer) as url:
        crowds = [fill(url, count, tenant=f"t-{at}") for at, count in enumerate(SUBSCRIPTIONS)]
        assert "subscriptions" in large_tables(url)
        yield {each.name: each for each in ask(url, crowds[1], PAGE)}


@pytest.mark.req("DEP-23")
def test_no_hot_query_reads_a_large_table_as_a_whole(answers: dict[str, Answer]) -> None:
    assert len(answers) > 20
    assert {name: each.scans for name, each in answers.items() if each.scans} == {}


@pytest.mark.req("DEP-22")
def test_subscriptions_are_listed_by_status_with_the_index_of_it(
    answers: dict[str, Answer],
) -> None:
    for name in ("by status", "by a status of none"):
        assert "subscriptions_by_status" in answers[name].indexes


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("due page behind another", "subscriptions_by_customer"),
        ("due early", "subscriptions_by_due_at"),
        ("steps due", "subscriptions_by_step"),
        ("by customer", "subscriptions_by_customer"),
        ("by slug", "subscriptions_tenant_id_slug_key"),
        ("list", "subscriptions_tenant_id_slug_key"),
        ("changes of one", "subscription_changes_subscription_id_revision_key"),
    ],
)
def test_a_query_uses_the_index_made_for_it(
    answers: dict[str, Answer], name: str, index: str
) -> None:
    assert index in answers[name].indexes
