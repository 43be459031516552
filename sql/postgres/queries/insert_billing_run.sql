-- Starts a run unless one of the same instant is unfinished.
INSERT INTO invoicing.billing_runs (id, tenant_id, as_of, cut, started_at)
VALUES (%(id)s, %(tenant_id)s, %(as_of)s, %(cut)s, %(started_at)s)
ON CONFLICT (tenant_id, as_of) WHERE finished_at IS NULL DO NOTHING
