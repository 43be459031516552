"""`tollbook events`: what became of single events, as an operator asks."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
from typer.testing import CliRunner

from cli.main import build_app
from tests.scenarios.test_voids import void_of
from tests.scenarios.traffic import make_event
from tests.scenarios.world import World, post


def _events(world: World, *arguments: str) -> list[dict[str, Any]]:
    environ = world.endpoints.as_environment()
    command = ["events", *arguments, "--state-dir", str(world.folder / "state"), "--json"]
    result = CliRunner().invoke(build_app(), command, env=environ, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    if arguments[0] == "tail":
        return [json.loads(line) for line in result.stdout.splitlines()]
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_an_operator_finds_out_what_became_of_an_event(world: World, seed: int) -> None:
    rng = random.Random(seed)
    url, worker = world.ingest(), world.worker("a")
    plain, twice, taken = (make_event(number, rng) for number in range(3))
    unknown = make_event(3, rng)
    other = twice | {"data": {"tokens": 999_999}}
    with httpx.Client() as client:
        for batch in ([plain, twice, taken], [plain, other], [void_of(taken, 0)]):
            post(client, url, world.api_key, batch)
        post(client, url, world.api_key, [void_of(unknown, 1)])
    world.wait_until_proved(worker.start)

    def verdicts(event_id: str, *more: str) -> list[str]:
        return [place["verdict"] for place in _events(world, "show", event_id, *more)]

    assert verdicts(plain["id"]) == ["accepted"]
    assert verdicts(plain["id"], "--source", plain["source"]) == ["accepted"]
    assert sorted(verdicts(twice["id"])) == ["accepted", "conflict"]
    assert verdicts(taken["id"]) == ["accepted", "void"]
    (rejected,) = _events(world, "show", "void-1")
    assert rejected["verdict"] == "rejected"
    assert "void" in rejected["said"]

    by_subject = _events(world, "search", "--subject", plain["subject"], "--id", plain["id"])
    assert [each["id"] for each in by_subject] == [plain["id"]]
    assert json.loads(by_subject[0]["data"]) == plain["data"]
    everything = _events(world, "search")
    assert [each["time"] for each in everything] == sorted(
        (each["time"] for each in everything), reverse=True
    )
    assert {each["id"] for each in everything} == {
        plain["id"], twice["id"], taken["id"], "void-0",
    }  # fmt: skip
    newest = _events(world, "tail", "--limit", "2")
    assert [each["id"] for each in newest] == ["void-0", "void-1"]
    assert len(_events(world, "tail", "--limit", "100")) == 7

    missing = CliRunner().invoke(
        build_app(), ["events", "show", "nothing"], env=world.endpoints.as_environment()
    )
    assert missing.exit_code == 1
    assert "is still to be read" in str(missing.exception)
