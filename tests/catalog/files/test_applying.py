"""What applying documents does, what it would do, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.files.applying import CatalogReport, Source, Wish, apply_documents, compare_documents
from catalog.files.document import parse_catalog
from catalog.files.export import catalog_of
from catalog.meter_register import find_meter
from catalog.plan_catalog import activate_draft, archive_plan, write_draft
from catalog.plan_view import find_plan
from core.acting import Acting
from core.clock import ManualClock
from core.errors import ConflictError, NotFoundError, TollbookError, ValidationError
from core.ids import TenantId
from db.outbox import changes_after
from db.postgres import Database
from identity.tenants import ensure_tenant
from tests.subscriptions.world import NOW, meter, plan

Document = dict[str, Any]


class Shelf:
    """A tenant's catalog, and documents that are brought to it, a day apart."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(NOW)
        with database.transaction() as conn:
            self.tenant_id: TenantId = ensure_tenant(conn, self.clock, "acme", "Acme")[0].id

    def bring(self, *documents: Document, dry: bool = False, **wish: bool) -> CatalogReport:
        sources = [
            Source(parse_catalog(each), f"{n}.toml: ") for n, each in enumerate(documents, start=1)
        ]
        self.clock = ManualClock(self.clock.now() + timedelta(days=1))
        act = compare_documents if dry else apply_documents
        with self.database.transaction(Acting(self.tenant_id, "shelf")) as conn:
            return act(conn, self.clock, self.tenant_id, sources, Wish(**wish))

    def call(self, function: Any, *arguments: Any) -> Any:
        with self.database.transaction(Acting(self.tenant_id, "shelf")) as conn:
            return function(conn, self.clock, self.tenant_id, *arguments)

    def catalog(self) -> Document:
        with self.database.transaction(Acting(self.tenant_id)) as conn:
            return dict(catalog_of(conn, self.tenant_id))

    def events(self) -> int:
        with self.database.transaction(Acting(self.tenant_id)) as conn:
            return len(changes_after(conn, self.tenant_id, 0, 1000).events)


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


def told(report: CatalogReport) -> list[str]:
    """What is worth saying, short."""
    return [
        f"{each.outcome} {each.slug}" for each in report.findings if each.outcome != "unchanged"
    ]


def dearer(amount: str = "4.00", **changes: Any) -> Document:
    one = plan() | changes
    one["rate_cards"][1]["price"]["amount"] = amount
    return one


FEATURE = {"slug": "sso", "name": "SSO", "kind": "boolean"}
WHOLE: Document = {
    "meters": [meter()],
    "features": [FEATURE],
    "plans": [plan() | {"entitlements": [{"feature": "sso"}]}],
}


def test_applied_twice_nothing_happens_the_second_time(shelf: Shelf) -> None:
    assert told(shelf.bring(WHOLE, dry=True)) == [
        "created tokens", "created sso", "created standard",
    ]  # fmt: skip
    assert shelf.catalog() == {"meters": [], "features": [], "plans": []}, "it was a comparison"
    assert shelf.events() == 1, "the tenant"
    shelf.bring(WHOLE)
    events = shelf.events()
    assert not shelf.bring(WHOLE).differs
    assert shelf.events() == events


def test_a_changed_price_is_told_line_by_line_and_makes_a_version(shelf: Shelf) -> None:
    shelf.bring(WHOLE)
    changed = WHOLE | {"plans": [dearer(name="Standard!", public=True)]}
    compared = shelf.bring(changed, dry=True)
    [finding] = [each for each in compared.findings if each.outcome != "unchanged"]
    assert (finding.outcome, finding.version) == ("new version", 2)
    assert finding.lines == (
        "name: standard → Standard!",
        "public: false → true",
        "rate_cards[tokens].price.amount: 3 → 4",
        "entitlements[sso].feature: sso → nothing",
        'entitlements in order: ["sso"] → nothing',
    )
    assert shelf.bring(changed).as_resource() == compared.as_resource()
    assert not shelf.bring(changed).differs
    assert [each["slug"] for each in shelf.catalog()["features"]] == ["sso"]


def test_labels_that_are_left_out_stay(shelf: Shelf) -> None:
    shelf.bring(WHOLE | {"plans": [plan() | {"public": True, "description": "d"}]})
    assert not shelf.bring(WHOLE | {"plans": [plan()]}).differs
    relabelled = shelf.bring({"meters": [meter() | {"name": "T", "unit": "t", "metadata": {}}]})
    assert relabelled.findings[0].lines == ("name: Tokens → T", "unit:  → t")
    assert told(shelf.bring({"features": [FEATURE | {"name": "S"}]})) == ["relabelled sso"]


def test_what_is_final_is_refused_with_all_the_rest(shelf: Shelf) -> None:
    shelf.bring(WHOLE)
    before = shelf.catalog()
    wrong = {
        "meters": [meter() | {"value": "usage.other"}, meter("images")],
        "features": [FEATURE | {"kind": "static"}],
        "plans": [plan("next", ("pictures",)), plan() | {"kind": "addon"}],
    }
    compared = shelf.bring(wrong, dry=True)
    assert told(compared) == [
        "impossible tokens", "created images", "impossible sso", "impossible next",
        "impossible standard",
    ]  # fmt: skip
    [why] = compared.findings[0].lines
    assert why == (
        "1.toml: meters[0].value: the meter 'tokens' is final and has 'usage.tokens'; create a"
        " meter with another slug"
    )
    with pytest.raises(ConflictError) as refused:
        shelf.bring(wrong)
    assert refused.value.message.startswith("1.toml: meters[0].value: ")
    assert refused.value.message.endswith(" (and 3 more)")
    findings = refused.value.details["findings"]
    assert isinstance(findings, list)
    assert [each["slug"] for each in findings] == [
        "tokens", "images", "sso", "next", "standard",
    ]  # fmt: skip
    assert shelf.catalog() == before


@pytest.mark.parametrize(
    ("document", "error", "said"),
    [
        ({"plans": [plan("x", ("none",))]}, NotFoundError, "1.toml: plans[0].rate_cards[1].meter"),
        ({"meters": [meter(), meter()]}, ValidationError, "1.toml: meters[1].slug: "),
        ({"meters": [meter() | {"value": "1 +"}]}, ValidationError, "1.toml: meters[0].value: "),
        ({"plans": [plan() | {"slug": "A b"}]}, NotFoundError, "1.toml: plans[0]."),
    ],
)  # fmt: skip
def test_a_refusal_names_file_and_path(
    shelf: Shelf, document: Document, error: type[TollbookError], said: str
) -> None:
    with pytest.raises(error) as refused:
        shelf.bring(document)
    assert refused.value.message.startswith(said)
    assert shelf.catalog() == {"meters": [], "features": [], "plans": []}


@pytest.mark.parametrize(
    "document",
    [
        {"meter": []},
        {"plans": [{"slug": "a"}]},
        {"features": [FEATURE | {"x": 1}]},
        {"plans": [plan() | {"limits": {"a": ["\x00"]}}]},
        {"plans": [plan() | {"limits": {"a": float("nan")}}]},
        {"plans": [plan() | {"limits": {"a": NOW}}]},
    ],
)
def test_a_document_of_another_shape_is_refused(document: Document) -> None:
    with pytest.raises(ValidationError):
        parse_catalog(document)


def test_drafts_are_written_and_sold_later(shelf: Shelf) -> None:
    shelf.bring(WHOLE)
    changed = {"plans": [dearer("5.00")]}
    drafted = shelf.bring(changed, draft=True)
    assert told(drafted) == ["draft written standard"]
    assert "rate_cards[tokens].price.amount: 3 → 5.00" in drafted.findings[0].lines
    assert not shelf.bring(changed, draft=True).differs
    assert not shelf.bring(WHOLE, dry=True).differs, "the draft sells nothing"
    assert told(shelf.bring(changed)) == ["new version standard"]
    with shelf.database.transaction(Acting(shelf.tenant_id)) as conn:
        assert find_plan(conn, shelf.tenant_id, "standard").draft is None
    assert not shelf.bring(changed, draft=True).differs
    new = {"plans": [plan("next") | {"draft": True}]}
    assert told(shelf.bring(new)) == ["created next"]
    assert [each.get("draft") for each in shelf.catalog()["plans"]] == [True, None]
    assert told(shelf.bring({"plans": [plan("next")]})) == ["new version next"]


def test_limits_are_a_label_of_the_plan_of_a_draft_too(shelf: Shelf) -> None:
    """They were lost: a plan that began as a draft, and was activated, had none."""
    drafted = plan("next") | {"draft": True, "limits": {"seats": 5}}
    shelf.bring({"meters": [meter()], "plans": [drafted]})
    assert limits_of(shelf, "next") == {"seats": 5}
    shelf.call(activate_draft, "next")
    assert limits_of(shelf, "next") == {"seats": 5}
    for left_out in (plan("next") | {"draft": True}, plan("next")):
        assert not shelf.bring({"plans": [left_out]}).differs
        assert limits_of(shelf, "next") == {"seats": 5}
    more = shelf.bring({"plans": [drafted | {"limits": {"seats": 6}}]})
    assert told(more) == ["relabelled next"]
    assert limits_of(shelf, "next") == {"seats": 6}
    shelf.call(archive_plan, "next")
    assert limits_of(shelf, "next") == {"seats": 6}


def limits_of(shelf: Shelf, slug: str) -> dict[str, object]:
    with shelf.database.transaction(Acting(shelf.tenant_id)) as conn:
        return find_plan(conn, shelf.tenant_id, slug).limits


def test_another_draft_than_what_is_applied_stays(shelf: Shelf) -> None:
    shelf.bring(WHOLE)
    content = {name: dearer("7.00")[name] for name in ("currency", "rate_cards")}
    shelf.call(write_draft, "standard", content)
    shelf.bring({"plans": [dearer("6.00")]})
    with shelf.database.transaction(Acting(shelf.tenant_id)) as conn:
        assert find_plan(conn, shelf.tenant_id, "standard").draft is not None


def test_only_prune_archives_and_never_what_versions_price(shelf: Shelf) -> None:
    shelf.bring(WHOLE | {"meters": [meter(), meter("spare")]})
    nothing: Document = {}
    assert not shelf.bring(nothing).findings
    compared = shelf.bring(nothing, dry=True, prune=True)
    assert told(compared) == ["archived standard", "archived sso", "archived spare"]
    assert compared.findings[-1].slug == "tokens" or compared.findings[-2].slug == "tokens"
    assert shelf.bring(nothing, prune=True).as_resource() == compared.as_resource()
    assert [each["slug"] for each in shelf.catalog()["meters"]] == ["tokens"]
    assert not shelf.bring(nothing, prune=True).differs
    with shelf.database.transaction(Acting(shelf.tenant_id)) as conn:
        assert not find_meter(conn, shelf.tenant_id, "tokens").definition.archived


def test_an_archived_plan_cannot_be_sold_again(shelf: Shelf) -> None:
    shelf.bring(WHOLE)
    shelf.call(archive_plan, "standard")
    with pytest.raises(ConflictError, match="archived; create another one"):
        shelf.bring({"plans": [plan()]})


def test_what_is_sold_keeps_what_it_needs_in_an_export(shelf: Shelf) -> None:
    from catalog.features import archive_feature
    from catalog.meter_register import retire_meter

    shelf.bring(WHOLE)
    shelf.call(archive_feature, "sso")
    shelf.call(retire_meter, "tokens")
    kept = shelf.catalog()
    assert [len(kept[kind]) for kind in ("meters", "features", "plans")] == [1, 1, 1]
    assert not shelf.bring(kept, prune=True).differs
