SELECT EXISTS (
    SELECT FROM catalog.rate_cards
    WHERE plan_version_id = ANY(%(plan_version_ids)s) AND timing = 'in_advance'
) AS found
