VACUUM (ANALYZE) subscriptions.customers, subscriptions.subjects, subscriptions.subscriptions,
    subscriptions.subscription_terms, subscriptions.subscription_pauses, subscriptions.subscription_changes
