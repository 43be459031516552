-- Whatever could show one tenant something of another: no row is as it should be. Two tables are
-- nobody's: which migrations ran, and how many meters there are. Schemas of others are not looked at.
WITH roles AS
(
    SELECT * FROM pg_roles
    WHERE rolname IN ('tollbook_snapshot', 'tollbook_api', 'tollbook_billing', 'tollbook_operator')
),
spaces AS
(
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname IN (
        'identity', 'catalog', 'subscriptions', 'entitlements', 'invoicing', 'corrections', 'outbox', 'bitemporal',
        'tenancy'
    )
),
tables AS
(
    SELECT class.*, spaces.nspname || '.' || class.relname AS name
    FROM pg_class AS class
    JOIN spaces ON spaces.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'f')
      AND spaces.nspname || '.' || class.relname <> 'catalog.catalog_version'
),
policies AS
(
    SELECT
        tables.name, polname, polcmd, polroles = '{0}' AS for_all,
        ARRAY(SELECT rolname::text FROM pg_roles WHERE pg_roles.oid = ANY (polroles)) AS roles,
        coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) AS qual,
        coalesce(pg_get_expr(polwithcheck, polrelid), pg_get_expr(polqual, polrelid)) AS checked
    FROM pg_policy
    JOIN tables ON tables.oid = polrelid
),
shared (name, polname, polcmd, rolname) AS
(
    VALUES
        ('identity.tenants', 'snapshot_of_all', 'r', 'tollbook_snapshot'),
        ('identity.tenants', 'billing_of_all', 'r', 'tollbook_billing'),
        ('identity.tenants', 'operation_of_all', '*', 'tollbook_operator'),
        ('identity.api_keys', 'snapshot_of_all', 'r', 'tollbook_snapshot'),
        ('catalog.meters', 'snapshot_of_all', 'r', 'tollbook_snapshot'),
        ('identity.idempotency_keys', 'pruning_of_all', '*', 'tollbook_operator'),
        ('entitlements.usage_records', 'unsent_of_all', 'r', 'tollbook_snapshot'),
        ('outbox.positions', 'pruning_of_all', '*', 'tollbook_operator')
),
own_of_users (name, polname) AS
(
    VALUES
        ('identity.sandboxes', 'sandboxes_select_own'),
        ('subscriptions.customers', 'customers_select_own'),
        ('subscriptions.subscriptions', 'subscriptions_select_own'),
        ('subscriptions.subjects', 'subjects_select_own'),
        ('subscriptions.payment_methods', 'payment_methods_select_own'),
        ('subscriptions.subscription_terms', 'subscription_terms_select_own'),
        ('subscriptions.subscription_pauses', 'subscription_pauses_select_own'),
        ('subscriptions.subscription_changes', 'subscription_changes_select_own'),
        ('catalog.plan_versions', 'plan_versions_select_own'),
        ('catalog.pricing_plans', 'pricing_plans_select_own'),
        ('invoicing.invoices', 'invoices_select_own'),
        ('invoicing.invoice_lines', 'invoice_lines_select_own'),
        ('invoicing.received_groups', 'received_groups_select_own')
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
    SELECT FROM policies
    WHERE policies.name = tables.name AND polname = 'own_tenant' AND polcmd = '*' AND for_all
      AND checked = qual AND qual = format(
          '(%%s = ( SELECT tenancy.whole_tenant_id() AS whole_tenant_id))',
          CASE tables.name WHEN 'identity.tenants' THEN 'id' ELSE 'tenant_id' END
      )
)
UNION ALL
SELECT name, 'has the policy ' || polname || ', which does not ask for the tenant'
FROM policies
WHERE polname <> 'own_tenant'
  AND NOT (
        polcmd = 'r' AND for_all AND (name, polname) IN (SELECT name, polname FROM own_of_users)
        AND qual LIKE '%%tenancy.tenant_id()%%' AND qual LIKE '%%tenancy.user_id()%%'
    )
  AND NOT EXISTS (
        SELECT FROM shared
        WHERE shared.name = policies.name AND shared.polname = policies.polname
          AND shared.polcmd = policies.polcmd::text AND policies.roles = ARRAY[shared.rolname]
    )
  AND NOT (
        name LIKE 'outbox.billing\_events\_%%' AND polname = 'pruning_of_all' AND polcmd = 'r'
        AND roles = ARRAY['tollbook_operator']
    )
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
   OR (
        class.relkind = 'v' AND NOT coalesce(
            class.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false
        )
    )
UNION ALL
SELECT spaces.nspname || '.' || proname, 'is a function that runs as its owner'
FROM pg_proc
JOIN spaces ON spaces.oid = pronamespace
WHERE prosecdef
UNION ALL
SELECT name, 'is open to everybody' FROM tables
WHERE EXISTS (SELECT FROM aclexplode(relacl) AS granted WHERE granted.grantee = 0)
   OR EXISTS (
        SELECT FROM pg_attribute, aclexplode(attacl) AS granted
        WHERE attrelid = tables.oid AND granted.grantee = 0
    )
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
