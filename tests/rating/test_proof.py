"""The hashes of a line: their bytes, what changes them, and what does not."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

import polars as pl
import pytest

from rating import prove_period, rate_period
from rating.errors import RatingInputError
from rating.prices import Price
from rating.proof import row_digests
from tests.rating.builders import NOVEMBER, group_text, grouped_usage, lines, price, usage
from tests.rating.events import NO_USAGE, Event, event_inputs

TOKENS = price("per_unit", {"amount": "0.5"})
REGIONS = price("per_unit", {"amount": "1", "group_by": ["region"]}, price_id="price-2")


def sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def proved(wanted: pl.DataFrame, used: pl.DataFrame, prices: list[Price]) -> list[tuple[str, str]]:
    rated = rate_period(wanted, used, prices)
    proof = prove_period(rated, used, prices)
    assert proof["line_id"].equals(rated["line_id"])
    return proof.select("usage_digest", "content_hash").rows()


def test_the_bytes_are_those_that_are_documented() -> None:
    wanted = lines(("sub-ä", "usage", "meter", "price-1"))
    row = (
        "6:sub-ä27:2023-11-01T00:00:00.000000Z5:meter15:20.5000000000001:11:0"  # ä is two bytes
        "0:0:"  # not told apart: neither names of dimensions nor their values
    )
    digest = sha(row)
    content = f"15:tollbook.line.215:hash of price-11:164:{digest}1:11:15:false-"
    used = usage(("sub-ä", "meter", Decimal("20.5")))
    assert proved(wanted, used, [TOKENS]) == [(digest, sha(content))]


def test_groups_are_sorted_rows_one_after_the_other() -> None:
    wanted = lines(("sub", "usage", "meter", "price-2"))
    names = group_text(["region"])
    start = "3:sub27:2023-11-01T00:00:00.000000Z5:meter"
    rows = [
        f'{start}14:1.0000000000001:11:010:{names}6:["eu"]',
        f'{start}14:2.0000000000001:11:010:{names}6:["us"]',
    ]
    used = grouped_usage(
        ("sub", "meter", ["region"], '["us"]', Decimal(2)),
        ("sub", "meter", ["region"], '["eu"]', Decimal(1)),
        ("sub", "meter", ["size"], '["xl"]', Decimal(3)),  # told apart for another price
        ("sub", "meter", [], "", Decimal(3)),
    )
    [(digest, _)] = proved(wanted, used, [REGIONS])
    assert digest == sha("".join(rows))


def test_a_line_that_used_nothing_has_the_digest_of_no_bytes() -> None:
    fee = price("flat", {"amount": "49"}, price_id="fee")
    wanted = lines(("sub", "usage", "meter", "price-1"), ("sub", "fee", None, "fee"))
    found = proved(wanted, usage(("other", "meter", Decimal(1))), [TOKENS, fee])
    assert [digest for digest, _ in found] == [sha(""), sha("")]
    assert found[0][1] != found[1][1]


@pytest.mark.parametrize(
    "changed",
    [
        usage(("sub", "meter", Decimal("20.000000000001"))),
        usage(("sub", "meter", Decimal(20))).with_columns(event_count=pl.lit(2)),
        usage(("sub", "meter", Decimal(20))).with_columns(unmeterable_count=pl.lit(1)),
    ],
    ids=["quantity", "events", "unmeterable"],
)
def test_another_usage_is_another_digest_and_hash(changed: pl.DataFrame) -> None:
    wanted = lines(("sub", "usage", "meter", "price-1"))
    [before] = proved(wanted, usage(("sub", "meter", Decimal(20))), [TOKENS])
    changed = changed.cast({"event_count": pl.Int64, "unmeterable_count": pl.Int64})
    [after] = proved(wanted, changed, [TOKENS])
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_another_price_or_rule_is_another_hash_of_the_same_usage() -> None:
    wanted = lines(("sub", "usage", "meter", "price-1"))
    used = usage(("sub", "meter", Decimal(20)))
    rated = rate_period(wanted, used, [TOKENS])
    next_rule = rated.with_columns(pl.col("rule_version") + 1)
    other = replace(TOKENS, content_hash="another")
    found = [
        prove_period(rated, used, [TOKENS]),
        prove_period(next_rule, used, [TOKENS]),
        prove_period(rate_period(wanted, used, [other]), used, [other]),
    ]
    assert len({each["usage_digest"].item() for each in found}) == 1
    assert len({each["content_hash"].item() for each in found}) == 3


def test_order_and_chunks_of_the_frames_change_nothing(seed: int) -> None:
    draw = random.Random(seed)
    subs = [f"sub-{number}" for number in range(40)]
    wanted = lines(*[(sub, "usage", "meter", "price-2") for sub in subs])
    rows = [
        (sub, "meter", ["region"], group_text([region]), Decimal(draw.randrange(10**6)) / 100)
        for sub in subs
        for region in ("eu", "us", "ä", 'a "b"')
    ]
    used = grouped_usage(*rows)
    found = proved(wanted, used, [REGIONS, TOKENS])
    draw.shuffle(rows)
    cut = draw.randrange(len(rows))
    mixed = pl.concat([grouped_usage(*rows[:cut]), grouped_usage(*rows[cut:])], rechunk=False)
    assert proved(wanted, mixed, [TOKENS, REGIONS]) == found
    assert len(set(found)) == len(subs)
    assert proved(wanted.reverse(), mixed, [TOKENS, REGIONS]) == found[::-1]


def test_a_share_of_the_period_and_the_lines_beside_it_are_in_the_hash() -> None:
    fee = price("flat", {"amount": "100"}, price_id="fee")
    support = price("percent_of_lines", {"percent": "3", "lines": ["fee"]}, price_id="support")
    wanted = lines(("sub", "fee", None, "fee"), ("sub", "support", None, "support"))
    found = set()
    for numerator in (1, 2):
        share = wanted.with_columns(
            share_numerator=pl.lit(numerator, pl.Int64), share_denominator=pl.lit(3, pl.Int64)
        )
        found |= set(proved(share, NO_USAGE, [fee, support]))
    assert {digest for digest, _ in found} == {sha("")}
    assert len(found) == 4
    dearer = replace(fee, parameters={"amount": "200"})  # the hash is its maker's: left as it was
    [_, base] = proved(wanted, NO_USAGE, [fee, support])
    [_, other] = proved(wanted, NO_USAGE, [dearer, support])
    assert base != other


def test_single_events_are_the_usage_of_a_line() -> None:
    one = price("percentage", {"rate": "1.5"})
    found = []
    for values in (("10", "20"), ("20", "10"), ("30",)):
        events = [Event(Decimal(value), event_id=f"e-{value}") for value in values]
        wanted, frame = event_inputs([one], [events])
        rated = rate_period(wanted, NO_USAGE, [one], frame)
        found.append(prove_period(rated, NO_USAGE, [one], frame)["usage_digest"].item())
    assert found[0] == found[1] != found[2]
    start, at = "2023-11-01T00:00:00.000000Z", NOVEMBER.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    texts = [wanted["subscription_id"][0], start, wanted["meter_id"][0], at, "e-30"]
    fields = "".join(f"{len(text)}:{text}" for text in texts)
    assert found[2] == sha(f"{fields}15:30.000000000000--0:0:")


def test_frames_and_prices_that_do_not_belong_together_are_refused() -> None:
    wanted = lines(("sub", "usage", "meter", "price-1"))
    used = usage(("sub", "meter", Decimal(20)))
    rated = rate_period(wanted, used, [TOKENS])
    with pytest.raises(RatingInputError, match="give all prices"):
        prove_period(rated, used, [REGIONS])
    with pytest.raises(RatingInputError, match="rated: expected the columns"):
        prove_period(wanted, used, [TOKENS])


def test_rows_of_several_frames_are_one_digest() -> None:
    whole = usage(
        ("a", "meter", Decimal(1)), ("a", "meter", Decimal(2)), ("b", "meter", Decimal(3))
    )
    key = whole.select("subscription_id").unique(maintain_order=True)
    assert row_digests(key, whole).equals(row_digests(key, whole[2:], whole[1:2], whole[:1]))
