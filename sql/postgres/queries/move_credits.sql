-- What the last invoices of subscriptions left of credits, for the next ones; whose is over with it.
UPDATE subscriptions.subscriptions AS subscription
SET credit_minor = moved.credit
FROM unnest(%(ids)s::uuid[], %(credits)s::bigint[]) AS moved (id, credit)
WHERE subscription.id = moved.id AND subscription.id = ANY(%(ids)s)
