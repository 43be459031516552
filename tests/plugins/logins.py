"""Logins of a database that are members of some roles, and nothing by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql as compose

from db.postgres import Role

_numbers = count(1)


@contextmanager
def plain_login(database_url: str, *roles: Role) -> Iterator[str]:
    """The URL of a login with these roles, gone afterwards."""
    name = f"plain_login_{next(_numbers)}"
    login = compose.Identifier(name)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(compose.SQL("CREATE ROLE {} LOGIN NOINHERIT PASSWORD 'x'").format(login))
        for role in roles:
            owner.execute(compose.SQL("GRANT {} TO {}").format(compose.Identifier(role), login))
        parts = urlsplit(database_url)
        yield urlunsplit(parts._replace(netloc=f"{name}:x@{parts.hostname}:{parts.port}"))
        owner.execute(compose.SQL("DROP OWNED BY {}").format(login))
        owner.execute(compose.SQL("DROP ROLE {}").format(login))


@contextmanager
def plain_owner(database_url: str) -> Iterator[tuple[str, str]]:
    """A new empty database whose owner is no superuser, by that login, and by one who is.

    Both are gone afterwards.
    """
    parts = urlsplit(database_url)
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute("CREATE ROLE plain_owner LOGIN CREATEROLE PASSWORD 'x'")
        server.execute("CREATE DATABASE owned OWNER plain_owner")
        try:
            for role in Role:
                server.execute(
                    compose.SQL("GRANT {} TO plain_owner WITH ADMIN OPTION").format(
                        compose.Identifier(role)
                    )
                )
            owned = parts._replace(path="/owned")
            with psycopg.connect(urlunsplit(owned), autocommit=True) as db:
                db.execute("GRANT CREATE ON SCHEMA public TO plain_owner")
            login = owned._replace(netloc=f"plain_owner:x@{parts.hostname}:{parts.port}")
            yield urlunsplit(login), urlunsplit(owned)
        finally:
            server.execute("DROP DATABASE IF EXISTS owned WITH (FORCE)")
            server.execute("DROP OWNED BY plain_owner")
            server.execute("DROP ROLE plain_owner")
