"""OpenMeter's own: words of meters, questions, lists. Answers are compared in tests/compat."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError as ModelError
from starlette.requests import Request

from api.compat.openmeter_query import QueryBody, filters_of
from api.compat.openmeter_words import MeterCreate, document_of
from core.errors import ValidationError
from tests.api.compat.app import KEY, Routes

METER = {"slug": "m", "aggregation": "SUM", "eventType": "t", "valueProperty": "$.tokens"}
HEADERS = {"authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("$.tokens", "tokens"),
        ("$.usage.tokens", "usage.tokens"),
        ("$['input-tokens']", '"input-tokens"'),
        ('$.usage["a b"].c', 'usage."a b".c'),
    ],
)
def test_a_path_of_names_is_a_value_of_ours(path: str, ours: str) -> None:
    meter = MeterCreate.model_validate(METER | {"valueProperty": path, "groupBy": {"g": path}})
    document = document_of(meter)
    assert (document["value"], document["dimensions"]) == (ours, {"g": ours})


@pytest.mark.parametrize("path", ["", "tokens", "$", "$.a[0]", "$..a", "$.a.", "$.*", "$['a'"])
def test_any_other_path_is_refused_with_its_field(path: str) -> None:
    for changes, field in (
        ({"valueProperty": path}, "valueProperty"),
        ({"groupBy": {"g": path}}, "groupBy.g"),
    ):
        with pytest.raises(ValidationError) as caught:
            document_of(MeterCreate.model_validate(METER | changes))
        assert caught.value.details["field"] == field


def test_a_count_reads_no_value_and_a_description_is_kept() -> None:
    sent = METER | {"aggregation": "COUNT", "description": "d", "metadata": {"a": "b"}}
    document = document_of(MeterCreate.model_validate(sent))
    assert "value" not in document
    assert document["metadata"] == {"a": "b", "description": "d"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"valueProperty": None}, "valueProperty"),
        ({"eventFrom": "2026-01-01T00:00:00Z"}, "eventFrom"),
    ],
)
def test_a_meter_that_cannot_be_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        document_of(MeterCreate.model_validate(METER | changes))
    with pytest.raises(ModelError):
        MeterCreate.model_validate(METER | {"aggregation": "MEDIAN"})


def _request(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("filterGroupBy[model]=a&filterGroupBy[model]=b", {"model": ["a", "b"]}),
        ("filterGroupBy=%7B%27model%27%3A+%27gpt%27%7D", {"model": ["gpt"]}),
        ("filterGroupBy={'model':['a'],'x':'y'}", {"model": ["a"], "x": ["y"]}),
        ("subject=a", {}),
    ],
)
def test_filters_are_read_however_a_client_writes_them(query: str, found: object) -> None:
    assert filters_of(_request(query)) == found


@pytest.mark.parametrize("text", ["x", "{", "[1]", "{1:'a'}", "{'a':1}", "{'a':[1]}", "'a'" * 2000])
def test_any_other_filter_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"write filterGroupBy\[model\]=large"):
        filters_of(_request(f"filterGroupBy={text}"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"windowSize": "DAY"}, "windowSize"),
        ({"filterCustomerId": ["c"]}, "filterCustomerId"),
        ({"advancedMeterGroupByFilters": {"a": {}}}, "advancedMeterGroupByFilters"),
        ({"groupBy": ["customer_id"]}, "customer_id"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "to: must lie after"),
    ],
)
def test_what_cannot_be_answered_is_refused(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        QueryBody.model_validate(body).question()


def test_a_question_without_an_end_is_open_there() -> None:
    question = QueryBody.model_validate({"from": "2026-01-02T00:00:00+01:00"}).question()
    assert (question.start, question.end) == (datetime(2026, 1, 1, 23, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("GET", "/meters/m/query?from=2026-01-01", "query.from"),
        ("GET", "/meters/m/query?to=1970-01-01T00:00:00Z", "to: must lie after"),
        ("GET", "/meters/m/query?from=2150-01-01T00:00:00Z", "to: must lie after"),
        ("GET", "/meters/m/query?from=0001-01-01T00:00:00%2B14:00", "from: give an instant"),
        ("GET", "/meters/m/query?to=9999-12-31T23:59:59-14:00", "to: give an instant"),
        ("GET", "/meters/m/query?windowSize=DAY", "windowSize"),
        ("GET", "/meters?page=0", "query.page"),
        ("GET", "/events?limit=101", "query.limit"),
        ("GET", "/events?customerId=c", "customerId"),
        ("GET", "/events?from=2027-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to: must lie after"),
        ("POST", "/meters", "body"),
        ("POST", "/meters/m/query", "body"),
    ],
)
def test_a_wrong_parameter_is_named_in_a_problem(method: str, path: str, named: str) -> None:
    answer = Routes().ask(method, f"/compat/openmeter/api/v1{path}", headers=HEADERS)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["openmeter/api/v1/events", "openmeter/api/v1/meters", "lago/api/v1/events/x"]
)
def test_a_server_that_does_not_answer_is_a_503_in_the_peers_words(path: str) -> None:
    answer = Routes().ask("GET", f"/compat/{path}", headers=HEADERS)
    assert answer.status_code == 503, answer.text
    assert answer.json()["status"] == 503
    assert int(answer.headers["retry-after"]) >= 1
