"""`tollbook keys`: API keys of a tenant, shown once, replaced without a gap, revoked for ever."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.options import Json, StateDir
from cli.output import print_list
from cli.rates import BytesRate, EventsRate, changed_limits, rate_text
from cli.tenants import TenantSlug, chosen_tenant, open_database

app = typer.Typer(help="Create, list, rotate, limit and revoke API keys.", no_args_is_help=True)

_OVERLAP: Final = timedelta(days=1)
KeyName = Annotated[str, typer.Argument(help="The key's id (key_…) or prefix (tb_live_1a2b3c4d).")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(help="events:write, meters:read, changes:read, …; repeatable."),
    ],
    tenant: TenantSlug = None,
    events: EventsRate = None,
    size: BytesRate = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Create a key and print it: it can never be read again.

    Example: tollbook keys create dashboard --scope meters:read --tenant acme
    """
    from core.clock import SystemClock
    from core.rate_limits import NO_LIMITS
    from identity.api_keys import insert_api_key

    limits = changed_limits(NO_LIMITS, events, size)
    with open_database(state_dir) as db, db.transaction() as conn:
        owner = chosen_tenant(conn, tenant)
        text = insert_api_key(conn, SystemClock(), owner.id, name, tuple(scope), limits)
    said = {"api_key": text, "scopes": scope, "limits": limits.as_document()}
    print(json.dumps(said, indent=2) if as_json else text)


@app.command("list")
def list_keys(
    tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """List the keys of a tenant, without their secrets.

    Example: tollbook keys list --tenant acme --json
    """
    from core.clock import SystemClock
    from core.ids import format_id
    from identity.api_keys import list_api_keys

    with open_database(state_dir) as db, db.transaction() as conn:
        keys = list_api_keys(conn, chosen_tenant(conn, tenant).id)
    now = SystemClock().now()
    print_list(
        keys,
        as_json,
        ("id", "name", "key", "scopes", "events/s", "bytes/s", "state"),
        lambda key: (
            format_id("key", key.id),
            key.name,
            f"tb_live_{key.prefix}_…",
            " ".join(key.scopes),
            rate_text(key.limits.events),
            rate_text(key.limits.bytes),
            key.state_at(now),
        ),
    )


@app.command()
def rotate(
    key: KeyName,
    old_until: Annotated[
        str | None,
        typer.Option(
            help="Until when the old key works, such as 2026-03-01T00:00Z. Default: 24 h."
        ),
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Replace a key by a new one, which is printed; both work until the old one expires.

    Example: tollbook keys rotate tb_live_1a2b3c4d --old-until 2026-03-01T00:00Z
    """
    from cli.invoices import parse_instant
    from core.clock import SystemClock
    from core.ids import format_id
    from identity.api_keys import find_api_key, rotate_api_key

    clock = SystemClock()
    until = parse_instant(old_until, "--old-until") if old_until else clock.now() + _OVERLAP
    with open_database(state_dir) as db, db.transaction() as conn:
        owner = chosen_tenant(conn, tenant)
        old = find_api_key(conn, owner.id, key)
        new_id, text = rotate_api_key(conn, clock, owner.id, old.id, until)
    if as_json:
        said = {
            "api_key": text,
            "id": format_id("key", new_id),
            "replaces": format_id("key", old.id),
            "old_until": until.isoformat(),
        }
        print(json.dumps(said, indent=2))
        return
    print(text)


@app.command()
def limit(
    key: KeyName,
    events: EventsRate = None,
    size: BytesRate = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Say how fast a key may send; processes that run learn of it within two seconds.

    Example: tollbook keys limit tb_live_1a2b3c4d --events 1000:20000 --bytes default
    """
    from core.clock import SystemClock
    from identity.api_keys import find_api_key, set_api_key_limits

    with open_database(state_dir) as db, db.transaction() as conn:
        owner = chosen_tenant(conn, tenant)
        found = find_api_key(conn, owner.id, key)
        limits = changed_limits(found.limits, events, size)
        set_api_key_limits(conn, SystemClock(), owner.id, found.id, limits)
    if as_json:
        print(json.dumps(limits.as_document(), indent=2))
        return
    print(f"{found.prefix}: events {rate_text(limits.events)}, bytes {rate_text(limits.bytes)}")


@app.command()
def revoke(
    key: KeyName,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Refuse a key from now on; processes that run learn of it within two seconds.

    Example: tollbook keys revoke key_0190a6c2f3b87c1e9d2a5b6c7d8e9f00
    """
    from core.clock import SystemClock
    from core.ids import format_id
    from identity.api_keys import find_api_key, revoke_api_key

    with open_database(state_dir) as db, db.transaction() as conn:
        owner = chosen_tenant(conn, tenant)
        found = find_api_key(conn, owner.id, key)
        revoke_api_key(conn, SystemClock(), owner.id, found.id)
    said = format_id("key", found.id)
    print(json.dumps({"revoked": said}, indent=2) if as_json else f"revoked {said}")
