import sys, time
from datetime import UTC, datetime
from uuid import UUID
import pytest
from tests.subscriptions.operating import open_desk
from subscriptions.periods import due_periods, claim, mark_billed
from core.acting import Acting
from db.postgres import Database, Role

N = int(__import__('os').environ.get('N','200000'))
def fill(database, tenant_id, n):
    with database.transaction() as conn:
        row = conn.execute("SELECT v.id, v.plan_id FROM catalog.plan_versions v JOIN catalog.pricing_plans p ON p.id=v.plan_id WHERE p.slug='standard'").fetchone()
        conn.execute("""INSERT INTO subscriptions.customers (id, tenant_id, slug, name, time_zone, currency, valid_from, recorded_from)
          SELECT gen_random_uuid(), %s, 'm-' || i, 'M', 'UTC', 'USD', '2024-01-01', '2024-01-01' FROM generate_series(1, %s) i""", (tenant_id, n))
        conn.execute("""INSERT INTO subscriptions.subscriptions (id, tenant_id, slug, customer_id, plan_id, plan_version_id, status, billing_cycle, currency, time_zone, anchor_at, start_at, period_start, period_end, valid_from, recorded_from)
          SELECT gen_random_uuid(), tenant_id, slug, id, %s, %s, 'ACTIVE', 'monthly', 'USD', 'UTC', '2024-01-01', '2024-01-01', '2024-01-01', '2024-02-01', '2024-01-01', '2024-01-01' FROM subscriptions.customers WHERE slug LIKE 'm-%%'""", (row['plan_id'], row['id']))
        conn.execute("""INSERT INTO subscriptions.subscription_terms (id, tenant_id, subscription_id, plan_version_id, valid_from, recorded_from)
          SELECT gen_random_uuid(), tenant_id, id, plan_version_id, start_at, recorded_from FROM subscriptions.subscriptions WHERE slug LIKE 'm-%%'""")
        conn.execute("""INSERT INTO subscriptions.subjects (id, tenant_id, customer_id, subject, valid_from, recorded_from)
          SELECT gen_random_uuid(), tenant_id, id, slug, '1970-01-01', '2024-01-01' FROM subscriptions.customers WHERE slug LIKE 'm-%%'""")
    import psycopg
    with psycopg.connect(database._url, autocommit=True) as c:
        for t in ('customers','subscriptions','subscription_terms','subjects'):
            c.execute(f"VACUUM ANALYZE subscriptions.{t}")

from tests.plugins.database import database, database_url
def test_scale(database, database_url):
    desk = open_desk(database)
    t=time.time(); fill(database, desk.tenant_id, N); print('fill', time.time()-t)
    as_of = datetime(2024,2,1,tzinfo=UTC)
    with Database(database_url, Role.BILLING) as db:
        acting = Acting(desk.tenant_id)
        import cProfile,pstats; pr=cProfile.Profile(); pr.enable()
        after=None; total=0; tq=tc=tm=0; start=time.time()
        while True:
            t=time.time()
            with db.transaction(acting, snapshot=True) as conn:
                page = due_periods(conn, desk.tenant_id, as_of, after, 10000)
            tq+=time.time()-t
            if not page: break
            with db.transaction(acting) as conn:
                t=time.time(); mine,_ = claim(conn, desk.tenant_id, page, wait=False); tc+=time.time()-t
                t=time.time(); mark_billed(conn, mine)
            tm+=time.time()-t
            total+=len(mine); after=page[-1]
        pr.disable(); pstats.Stats(pr).sort_stats('tottime').print_stats(32); el=time.time()-start
        print(total, 'in', el, total/el, '/s; query', tq, 'claim', tc, 'mark', tm)
    assert False
