-- What was agreed from an instant on is known no longer.
UPDATE subscriptions.enterprise_pricing
SET recorded_to = %(recorded_at)s
WHERE contract_id = %(contract_id)s AND recorded_to = 'infinity' AND valid_to > %(at)s
