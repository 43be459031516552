INSERT INTO catalog.plan_drafts AS known
    (id, tenant_id, plan_id, document, revision, created_at, updated_at)
VALUES
    (%(id)s, %(tenant_id)s, %(plan_id)s, %(document)s, 1, %(now)s, %(now)s)
ON CONFLICT (tenant_id, plan_id) DO UPDATE
SET document = excluded.document, revision = known.revision + 1, updated_at = excluded.updated_at
