-- Due periods are read in order of customers: this index tells by itself which of them are due.
DROP INDEX subscriptions.subscriptions_by_customer;
CREATE INDEX subscriptions_by_customer
ON subscriptions.subscriptions (tenant_id, customer_id, id, due_at);

-- A subscription is to a version of its plan, not to one of another plan. What is stored is checked
-- as the owner, who sees no tenant's rows where that is forced.
ALTER TABLE catalog.plan_versions NO FORCE ROW LEVEL SECURITY, ADD UNIQUE (tenant_id, plan_id, id);
ALTER TABLE subscriptions.subscriptions
    NO FORCE ROW LEVEL SECURITY,
    DROP CONSTRAINT subscriptions_tenant_id_plan_id_fkey,
    DROP CONSTRAINT subscriptions_tenant_id_plan_version_id_fkey;
ALTER TABLE subscriptions.subscriptions
    ADD FOREIGN KEY (tenant_id, plan_id, plan_version_id)
    REFERENCES catalog.plan_versions (tenant_id, plan_id, id);
ALTER TABLE catalog.plan_versions FORCE ROW LEVEL SECURITY;
ALTER TABLE subscriptions.subscriptions FORCE ROW LEVEL SECURITY;
