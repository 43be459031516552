"""Features: what they are stays, labels change, and each change is told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.features import (
    archive_feature,
    change_feature,
    create_feature,
    features_by_slug,
    find_feature,
    page_of_features,
)
from catalog.meters import create_meter
from core.clock import ManualClock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import TenantId
from db.outbox import changes_after
from db.postgres import Database
from identity.tenants import ensure_tenant

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    with database.transaction() as conn:
        made = ensure_tenant(conn, clock, "acme", "Acme")[0].id
        create_meter(
            conn, clock, made, slug="tokens", name="T", event_type="t", aggregation="count"
        )
    return made


def test_features_of_every_kind_are_made_changed_and_archived(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        made = create_feature(
            conn, clock, tenant_id, slug="tokens", name="Tokens", kind="metered", meter="tokens"
        )
        create_feature(conn, clock, tenant_id, slug="sso", name="SSO", kind="boolean")
        create_feature(
            conn, clock, tenant_id, slug="region", name="Region", kind="static", metadata={"a": "b"}
        )
        assert (made.meter, made.archived_at) == ("tokens", None)
        # The clock stands still: each knowledge has an instant of its own all the same.
        renamed = change_feature(conn, clock, tenant_id, "sso", name="Single sign-on")
        assert change_feature(conn, clock, tenant_id, "sso", name="Single sign-on") == renamed
        archived = archive_feature(conn, clock, tenant_id, "sso")
        clock.advance(timedelta(days=1))
        assert archive_feature(conn, clock, tenant_id, "sso") == archived
        assert [each.slug for each in page_of_features(conn, tenant_id, limit=2)] == [
            "region",
            "sso",
        ]
        later = page_of_features(conn, tenant_id, after="region", archived=False)
        assert [each.slug for each in later] == ["tokens"]
        assert features_by_slug(conn, tenant_id).keys() == {"region", "sso", "tokens"}
        told = [each.subject for each in changes_after(conn, tenant_id, 0, 99).events]
        history = conn.execute(
            "SELECT name, archived_at FROM catalog.features_history ORDER BY recorded_from"
        ).fetchall()
    assert [each["name"] for each in history] == ["SSO", "Single sign-on"]
    with database.transaction() as conn:
        told = [each.subject for each in changes_after(conn, tenant_id, 0, 99).events]
    assert told[2:] == ["feature.created"] * 3 + ["feature.updated", "feature.archived"]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"slug": "A"}, "slug"),
        ({"name": "x" * 300}, "name"),
        ({"name": "x\x00"}, "name"),
        ({"kind": "some"}, "kind"),
        ({"kind": "metered"}, "meter"),
        ({"kind": "boolean", "meter": "tokens"}, "meter"),
        ({"metadata": {"a": "x" * 501}}, "metadata"),
    ],
)
def test_what_is_no_feature_is_refused_by_name(
    database: Database,
    clock: ManualClock,
    tenant_id: TenantId,
    words: dict[str, str],
    field: str,
) -> None:
    good = {"slug": "sso", "name": "SSO", "kind": "boolean"}
    with (
        pytest.raises(ValidationError, match=rf"^{field}: "),
        database.transaction() as conn,
    ):
        create_feature(conn, clock, tenant_id, **(good | words))  # type: ignore[arg-type]  # not all are texts


def test_names_in_use_unknown_ones_and_those_of_others_are_refused(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_feature(conn, clock, tenant_id, slug="sso", name="SSO", kind="boolean")
        with pytest.raises(ConflictError, match=r"^slug: the feature 'sso' exists already"):
            create_feature(conn, clock, tenant_id, slug="sso", name="SSO", kind="static")
        with pytest.raises(NotFoundError, match=r"^meter: there is none called 'calls'"):
            create_feature(
                conn, clock, tenant_id, slug="calls", name="C", kind="metered", meter="calls"
            )
        for slug in ("none", "NO SLUG", "\x00"):
            with pytest.raises(NotFoundError, match="feature: there is none called"):
                find_feature(conn, tenant_id, slug)
    with database.transaction() as conn:
        other = ensure_tenant(conn, clock, "other", "Other")[0].id
        with pytest.raises(NotFoundError):
            find_feature(conn, other, "sso")
