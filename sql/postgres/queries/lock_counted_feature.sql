-- Until commit nobody else makes or renews the counter of a customer and feature, also the first one.
SELECT pg_advisory_xact_lock(hashtextextended(%(customer_id)s::text || %(feature_id)s::text, 21))
