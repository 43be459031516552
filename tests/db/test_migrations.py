"""Which migrations a database needs, and which ledgers are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConflictError, InternalError
from db.migrations import AppliedMigration, Engine, Migration, discover, pending

FIRST = Migration(1, "0001_create_a", "CREATE TABLE a;")
SECOND = Migration(2, "0002_create_b", "CREATE TABLE b;")


def applied(*migrations: Migration) -> list[AppliedMigration]:
    return [AppliedMigration(each.number, each.name, each.sha256) for each in migrations]


def write(root: Path, *names: str) -> Path:
    folder = root / "postgres" / "migrations"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f"-- {name}\n")
    return root


@pytest.mark.parametrize("engine", ["postgres", "clickhouse"])
def test_the_files_of_each_engine_are_numbered_from_one(engine: Engine) -> None:
    numbers = [migration.number for migration in discover(engine)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 5


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    found = discover("postgres", write(tmp_path, "0002_create_b.sql", "0001_create_a.sql"))
    assert [each.name for each in found] == ["0001_create_a", "0002_create_b"]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("0001_create_a.sql", "0003_create_c.sql"), "expected number 0002"),
        (("0001_create_a.sql", "0001_create_b.sql"), "expected number 0002"),
        (("0002_create_b.sql",), "expected number 0001"),
        (("1_create_a.sql",), "NNNN_verb_noun"),
        (("0001_create.sql",), "NNNN_verb_noun"),
    ],
    ids=["gap", "double", "late start", "short number", "no noun"],
)
def test_odd_files_are_refused(tmp_path: Path, names: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InternalError, match=problem):
        discover("postgres", write(tmp_path, *names))


def test_what_was_applied_is_not_needed_again() -> None:
    assert pending([FIRST, SECOND], []) == (FIRST, SECOND)
    assert pending([FIRST, SECOND], applied(FIRST)) == (SECOND,)
    assert pending([FIRST, SECOND], applied(FIRST, SECOND)) == ()


@pytest.mark.parametrize(
    ("files", "ledger", "problem"),
    [
        ([Migration(1, FIRST.name, "-- other")], applied(FIRST), "changed after it was applied"),
        ([Migration(1, "0001_make_a", FIRST.text)], applied(FIRST), "now called 0001_make_a"),
        ([FIRST], applied(FIRST, SECOND), "not a file of this release"),
        ([FIRST, SECOND], applied(SECOND), "lacks migration 0001"),
    ],
    ids=["changed", "renamed", "newer database", "gap in the ledger"],
)
def test_a_ledger_that_disagrees_with_the_files_is_refused(
    files: list[Migration], ledger: list[AppliedMigration], problem: str
) -> None:
    with pytest.raises(ConflictError, match=problem):
        pending(files, ledger)


def test_clickhouse_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    text = "-- why; because\nSELECT ';' AS a\n, 1;\n\n-- next\nSELECT 2 ;  \nSELECT 3\n"
    assert Migration(1, "0001_a_b", text).statements == (
        "SELECT ';' AS a\n, 1",
        "SELECT 2",
        "SELECT 3",
    )
