"""The HTTP protocol itself, as curl and others speak it."""

from __future__ import annotations

import gzip
import json
from uuid import uuid4

import httpx
import lz4.frame  # type: ignore[import-untyped] # the package ships no types
import pyarrow as pa
import pytest

from tests.infra.local.clickhouse.owner import PASSWORD, Owner


def ask(http: httpx.Client, text: str, **options: str) -> httpx.Response:
    return http.post("/", content=text, params=options)


def code_of(response: httpx.Response) -> int:
    assert response.text.startswith("Code: ")
    return int(response.headers["X-ClickHouse-Exception-Code"])


def test_ping_and_the_root_answer_without_a_password(owner: Owner) -> None:
    for path in ("/ping", "/replicas_status"):
        response = httpx.get(f"{owner.url}{path}")
        assert (response.status_code, response.text) == (200, "Ok.\n")
    assert httpx.get(f"{owner.url}/nothing").status_code == 404


def test_the_owner_listens_on_loopback_only(owner: Owner) -> None:
    with httpx.Client() as http, pytest.raises(httpx.ConnectError):
        http.get(f"http://127.0.0.2:{owner.port}/ping")


def test_a_user_is_known_by_each_way_of_telling_it(owner: Owner) -> None:
    question = {"query": "SELECT 1"}
    given = {"user": "default", "password": PASSWORD}
    headers = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD}
    assert httpx.get(owner.url, params=question | given).text == "1\n"
    assert httpx.get(owner.url, params=question, headers=headers).text == "1\n"
    assert httpx.get(owner.url, params=question, auth=("default", PASSWORD)).text == "1\n"


@pytest.mark.parametrize(
    ("user", "password"), [("default", "wrong"), ("default", ""), ("somebody", PASSWORD)]
)
def test_others_are_refused_and_told_nothing(owner: Owner, user: str, password: str) -> None:
    response = httpx.get(owner.url, params={"query": "SELECT 1"}, auth=(user, password))
    assert (response.status_code, code_of(response)) == (403, 516)
    assert PASSWORD not in response.text


def test_headers_describe_the_answer(http: httpx.Client) -> None:
    query_id = str(uuid4())
    response = ask(
        http, "SELECT 1 AS a FORMAT JSON", query_id=query_id, session_timezone="Asia/Tokyo"
    )
    assert response.json()["data"] == [{"a": 1}]
    assert response.headers["X-ClickHouse-Query-Id"] == query_id
    assert response.headers["X-ClickHouse-Format"] == "JSON"
    assert response.headers["X-ClickHouse-Timezone"] == "Asia/Tokyo"
    assert response.headers["X-ClickHouse-Server-Display-Name"]
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"


def test_the_summary_counts_what_was_read_and_written(http: httpx.Client) -> None:
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").raise_for_status()
    for text in ("INSERT INTO t FORMAT TSV\n1\n2\n3\n", "INSERT INTO t SELECT * FROM numbers(3)"):
        summary = json.loads(ask(http, text).headers["X-ClickHouse-Summary"])
        assert summary["written_rows"] == "3"
    # One part: of several, the summary tells what was read when the first piece of the answer left.
    ask(http, "OPTIMIZE TABLE t FINAL").raise_for_status()
    summary = json.loads(ask(http, "SELECT * FROM t").headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("6", "6")


def test_the_format_comes_from_the_clause_then_the_header_then_the_url(http: httpx.Client) -> None:
    assert ask(http, "SELECT 1 AS a").text == "1\n"
    assert ask(http, "SELECT 1 AS a", default_format="CSVWithNames").text == '"a"\n1\n'
    header = {"X-ClickHouse-Format": "JSONEachRow"}
    assert http.post("/", content="SELECT 1 AS a", headers=header).text == '{"a":1}\n'
    response = http.post("/", content="SELECT 1 AS a FORMAT TSVWithNames", headers=header)
    assert response.text == "a\n1\n"
    assert code_of(ask(http, "SELECT 1", default_format="dataframe")) == 73


def test_the_database_comes_from_the_url_or_the_header(http: httpx.Client) -> None:
    given = http.headers["X-ClickHouse-Database"]
    assert ask(http, "SELECT currentDatabase()").text == f"{given}\n"
    assert ask(http, "SELECT currentDatabase()", database="system").text == "system\n"
    assert ask(http, "SELECT currentDatabase()").text == f"{given}\n"
    missing = ask(http, "SELECT 1", database="nowhere")
    assert (missing.status_code, code_of(missing)) == (404, 81)


def test_reading_by_get_may_not_write(http: httpx.Client) -> None:
    assert http.get("/", params={"query": "SELECT 1", "max_threads": 1}).text == "1\n"
    for text in ("CREATE TABLE t (a UInt8) ENGINE = Memory", "DROP DATABASE system"):
        response = http.get("/", params={"query": text})
        assert code_of(response) == 164
    response = http.get("/", params={"query": "SELECT 1 SETTINGS readonly = 0"})
    assert code_of(response) == 164


def test_the_text_may_be_split_between_url_and_body(http: httpx.Client) -> None:
    assert ask(http, " + 1 AS a FORMAT JSONEachRow", query="SELECT 1").text == '{"a":2}\n'
    ask(http, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a").raise_for_status()
    ask(http, "1\n2\n", query="INSERT INTO t FORMAT TSV").raise_for_status()
    ask(http, "(3)", query="INSERT INTO t VALUES").raise_for_status()
    ask(http, "", query="INSERT INTO t VALUES (4)").raise_for_status()
    ask(http, "5", query="INSERT INTO t SELECT").raise_for_status()
    assert (
        ask(http, "SELECT groupArray(a) FROM (SELECT a FROM t ORDER BY a)").text == "[1,2,3,4,5]\n"
    )


def test_the_input_function_is_refused_rather_than_reading_nothing(http: httpx.Client) -> None:
    ask(http, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a").raise_for_status()
    text = "INSERT INTO t SELECT x + 1 FROM (SELECT * FROM input('x UInt8')) FORMAT CSV\n"
    assert code_of(ask(http, f"{text}1\n2\n")) == 48


def test_parameters_fill_values_and_names(http: httpx.Client) -> None:
    ask(http, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a").raise_for_status()
    ask(http, "INSERT INTO {t:Identifier} VALUES ({x:UInt8})", param_t="t", param_x="7")
    answer = ask(http, "SELECT a, {s:String} FROM {t:Identifier}", param_t="t", param_s=r"x\ty")
    assert answer.text == "7\tx\\ty\n"
    wrong = ask(http, "SELECT {x:UInt8}", param_x="seven")
    assert code_of(wrong) == 457


def test_answers_are_compressed_only_when_asked(http: httpx.Client) -> None:
    text = "SELECT repeat('x', 100000)"
    plain = ask(http, text)
    assert "Content-Encoding" not in plain.headers
    packed = http.post(
        "/",
        content=text,
        params={"enable_http_compression": 1},
        headers={"Accept-Encoding": "gzip"},
    )
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < 1000
    assert packed.text == plain.text


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("lz4", lz4.frame.compress)])
def test_bodies_may_be_compressed(http: httpx.Client, name: str, pack: object) -> None:
    assert callable(pack)
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").raise_for_status()
    rows = b"".join(b"%d\n" % number for number in range(500_000))
    response = http.post(
        "/",
        content=pack(b"INSERT INTO t FORMAT TSV\n" + rows),
        headers={"Content-Encoding": name},
    )
    response.raise_for_status()
    assert ask(http, "SELECT count(), max(a) FROM t").text == "500000\t499999\n"
    cut = http.post(
        "/",
        content=pack(b"INSERT INTO t FORMAT TSV\n" + rows)[:-4],
        headers={"Content-Encoding": name},
    )
    assert cut.status_code == 500
    assert code_of(cut) in {271, 27}
    assert ask(http, "SELECT count() FROM t").text == "500000\n"


def test_clickhouses_own_block_compression_is_refused_clearly(http: httpx.Client) -> None:
    response = ask(http, "SELECT 1", compress="1")
    assert (response.status_code, code_of(response)) == (501, 48)
    assert "Accept-Encoding" in response.text


@pytest.mark.parametrize("name", ["Native", "ArrowStream", "CSVWithNames", "JSONEachRow", "TSV"])
def test_a_streamed_answer_equals_the_whole_one(http: httpx.Client, name: str) -> None:
    text = "SELECT number AS a, toString(number) AS b FROM numbers(300000) ORDER BY a"
    options = {"default_format": name, "max_threads": "1"}
    streamed = ask(http, text, **options)
    assert streamed.headers["Transfer-Encoding"] == "chunked"
    whole = ask(http, text, wait_end_of_query="1", **options)
    assert "Content-Length" in whole.headers
    assert streamed.content == whole.content


@pytest.mark.parametrize("name", ["Arrow", "Parquet", "JSON", "CSVWithNames", "ArrowStream"])
def test_an_empty_answer_keeps_its_head(http: httpx.Client, name: str) -> None:
    answer = ask(http, "SELECT number AS a FROM numbers(0)", default_format=name)
    assert answer.status_code == 200
    assert b"a" in answer.content


def test_arrow_files_can_be_read(http: httpx.Client) -> None:
    answer = ask(http, "SELECT number AS a FROM numbers(200000)", default_format="Arrow")
    with pa.ipc.open_file(answer.content) as file:
        assert file.read_all().num_rows == 200_000


def test_totals_come_after_the_rows(http: httpx.Client) -> None:
    text = "SELECT number % 2 AS k, count() FROM numbers(4) GROUP BY k WITH TOTALS ORDER BY k"
    assert ask(http, text).text == "0\t2\n1\t2\n\n0\t4\n"


def test_a_query_longer_than_the_limit_is_refused(http: httpx.Client) -> None:
    response = ask(http, f"SELECT '{'x' * 300_000}'")
    assert code_of(response) == 62
    response = ask(http, f"SELECT length('{'x' * 300_000}')", max_query_size="1000000")
    assert response.text == "300000\n"


def test_an_answer_to_head_has_no_body(http: httpx.Client) -> None:
    response = http.head("/", params={"query": "SELECT 1"})
    assert (response.status_code, response.content) == (200, b"")


def test_a_memory_limit_ends_one_query_not_the_server(http: httpx.Client) -> None:
    response = ask(
        http,
        "SELECT groupArray(number) FROM numbers(10000000) FORMAT Null",
        max_memory_usage="10000000",
    )
    assert code_of(response) == 241
    assert ask(http, "SELECT 1").text == "1\n"


def test_a_time_limit_ends_a_query(http: httpx.Client) -> None:
    response = ask(http, "SELECT count() FROM numbers(1000000000000)", max_execution_time="0.2")
    assert (response.status_code, code_of(response)) == (408, 159)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"session_id": "s", "session_timeout": "never"}, 36),
        ({"session_id": "s", "session_timeout": "100000"}, 36),
        ({"session_id": "unheard of", "session_check": "1"}, 372),
        ({"role": "admin"}, 48),
    ],
)
def test_what_cannot_be_done_is_said(
    http: httpx.Client, options: dict[str, str], code: int
) -> None:
    assert code_of(ask(http, "SELECT 1", **options)) == code


def test_two_requests_of_one_session_do_not_run_at_once(owner: Owner, http: httpx.Client) -> None:
    with (
        owner.http() as other,
        http.stream(
            "POST", "/", params={"session_id": "busy"}, content="SELECT * FROM numbers(100000000)"
        ) as running,
    ):
        assert running.status_code == 200
        assert code_of(ask(other, "SELECT 1", session_id="busy")) == 373
