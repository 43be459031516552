-- Whatever could show one tenant something of another: no row is as it should be. Two tables are
-- nobody's: which migrations ran, and how many meters there are.
WITH roles AS
(
    SELECT * FROM pg_roles
    WHERE rolname IN ('tollbook_snapshot', 'tollbook_api', 'tollbook_billing', 'tollbook_operator')
),
spaces AS
(
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%%' AND nspname <> 'information_schema'
),
tables AS
(
    SELECT class.*, spaces.nspname || '.' || class.relname AS name
    FROM pg_class AS class
    JOIN spaces ON spaces.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p')
      AND spaces.nspname || '.' || class.relname NOT IN ('public.schema_migrations', 'catalog.catalog_version')
),
shared (name, policy) AS
(
    VALUES
        ('identity.tenants', 'snapshot_of_all'), ('identity.tenants', 'billing_of_all'),
        ('identity.tenants', 'operation_of_all'), ('identity.api_keys', 'snapshot_of_all'),
        ('catalog.meters', 'snapshot_of_all')
)
SELECT name, 'has no tenant_id that is never null' AS problem FROM tables
WHERE name <> 'identity.tenants' AND NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = tables.oid AND attname = 'tenant_id' AND attnotnull AND NOT attisdropped
)
UNION ALL
SELECT name, 'has no forced row-level security' FROM tables
WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT name, 'has no policy for its tenant' FROM tables
WHERE NOT EXISTS (
    SELECT FROM pg_policy
    WHERE polrelid = tables.oid AND polname = 'own_tenant' AND polcmd = '*' AND polroles = '{0}'
      AND pg_get_expr(polqual, polrelid) LIKE '%%tenancy.whole_tenant_id()%%'
      AND pg_get_expr(polqual, polrelid) = pg_get_expr(polwithcheck, polrelid)
)
UNION ALL
SELECT tables.name, 'has the policy ' || polname || ', which does not ask for the tenant'
FROM pg_policy
JOIN tables ON tables.oid = polrelid
WHERE pg_get_expr(coalesce(polqual, polwithcheck), polrelid) NOT LIKE '%%tenant_id()%%'
  AND (tables.name, polname) NOT IN (SELECT name, policy FROM shared)
  AND NOT (tables.name LIKE 'outbox.billing\_events\_%%' AND polname = 'pruning_of_all')
UNION ALL
SELECT tables.name, 'refers to ' || other.name || ' without the tenant'
FROM pg_constraint
JOIN tables ON tables.oid = conrelid
JOIN tables AS other ON other.oid = confrelid
WHERE contype = 'f' AND other.name <> 'identity.tenants' AND NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = conrelid AND attnum = ANY (conkey) AND attname = 'tenant_id'
)
UNION ALL
SELECT spaces.nspname || '.' || class.relname, 'is a view that runs as its owner'
FROM pg_class AS class
JOIN spaces ON spaces.oid = class.relnamespace
WHERE class.relkind = 'm'
   OR (class.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (class.reloptions), false))
UNION ALL
SELECT spaces.nspname || '.' || proname, 'is a function that runs as its owner'
FROM pg_proc
JOIN spaces ON spaces.oid = pronamespace
WHERE prosecdef
UNION ALL
SELECT name, 'is open to everybody' FROM tables, aclexplode(relacl) AS granted WHERE granted.grantee = 0
UNION ALL
SELECT rolname, 'is a role that may log in, or do more than its tenant''s work' FROM roles
WHERE rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication
UNION ALL
SELECT roles.rolname, 'is a role that owns ' || tables.name FROM roles JOIN tables ON tables.relowner = roles.oid
UNION ALL
SELECT roles.rolname, 'is a role that can take on ' || pg_get_userbyid(roleid)
FROM pg_auth_members
JOIN roles ON roles.oid = member
ORDER BY 1, 2
