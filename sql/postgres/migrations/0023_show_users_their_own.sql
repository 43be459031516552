-- What a user sees beside their customers and subscriptions: what was planned for these and became of
-- them, by which names their plans go, whose usage they pay for and with what, and the invoices that
-- were sent: a draft was sent to nobody. Only to read. The first condition spares everybody else what
-- comes after it; each step from a user to what is theirs is by an index.
DO $$
DECLARE
    customers text := 'SELECT id FROM subscriptions.customers'
        ' WHERE tenant_id = (SELECT tenancy.tenant_id()) AND user_id = (SELECT tenancy.user_id())';
    bought text := 'SELECT %s FROM subscriptions.subscriptions AS own'
        ' WHERE own.tenant_id = (SELECT tenancy.tenant_id()) AND own.customer_id IN (' || customers || ')';
    sent text := 'SELECT own.id FROM invoicing.invoices AS own'
        ' WHERE own.tenant_id = (SELECT tenancy.tenant_id()) AND own.customer_id IN (' || customers || ')';
    shown record;
BEGIN
    FOR shown IN
        SELECT * FROM (
            VALUES
            ('subscriptions', 'subjects', 'customer_id', customers),
            ('subscriptions', 'payment_methods', 'customer_id', customers),
            ('subscriptions', 'subscription_terms', 'subscription_id', format(bought, 'own.id')),
            ('subscriptions', 'subscription_pauses', 'subscription_id', format(bought, 'own.id')),
            ('subscriptions', 'subscription_changes', 'subscription_id', format(bought, 'own.id')),
            ('catalog', 'plan_versions', 'id', format(bought, 'own.plan_version_id')),
            ('catalog', 'pricing_plans', 'id', format(bought, 'own.plan_id')),
            ('invoicing', 'invoices', 'status NOT IN (''draft'', ''handed_over'') AND customer_id', customers),
            ('invoicing', 'invoice_lines', 'invoice_id', sent),
            ('invoicing', 'received_groups', 'invoice_id', sent)
        ) AS policies (schema_name, table_name, belongs, owner)
    LOOP
        EXECUTE format(
            'CREATE POLICY %1$I ON %2$I.%3$I FOR SELECT USING ('
            ' (SELECT tenancy.user_id()) IS NOT NULL AND tenant_id = (SELECT tenancy.tenant_id())'
            ' AND %4$s IN (%5$s))',
            shown.table_name || '_select_own', shown.schema_name, shown.table_name, shown.belongs, shown.owner
        );
    END LOOP;
END
$$;

-- Answers to requests are kept for a while; operators forget old ones of all tenants, and see nothing
-- of them but their age.
CREATE INDEX idempotency_keys_by_age ON identity.idempotency_keys (created_at);
CREATE POLICY pruning_of_all ON identity.idempotency_keys TO tollbook_operator
USING ((SELECT tenancy.tenant_id()) IS NULL) WITH CHECK (false);
REVOKE SELECT, INSERT, UPDATE ON identity.idempotency_keys FROM tollbook_operator;
GRANT SELECT (tenant_id, key, created_at) ON identity.idempotency_keys TO tollbook_operator;
