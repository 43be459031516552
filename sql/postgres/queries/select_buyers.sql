-- Who pays for each customer: itself, or the nearest above that pays for itself. Invoices print lines:
-- an address in parts becomes lines in their usual order.
WITH RECURSIVE paid AS
(
    SELECT id AS customer_id, name AS customer_name, id, parent_id, payer
    FROM subscriptions.customers
    WHERE tenant_id = %(tenant_id)s AND id = ANY(%(customer_ids)s)
    UNION ALL
    SELECT paid.customer_id, paid.customer_name, above.id, above.parent_id, above.payer
    FROM paid
    JOIN subscriptions.customers AS above
        ON above.tenant_id = %(tenant_id)s AND above.id = paid.parent_id
    WHERE paid.payer = 'parent'
)
SELECT
    paid.customer_id, paid.customer_name, buyer.id, buyer.name,
    buyer.billing_info || jsonb_strip_nulls(jsonb_build_object(
        'address', (
            SELECT jsonb_agg(line.text ORDER BY line.place)
            FROM (
                VALUES
                    (1, buyer.billing_info #>> '{postal_address,line1}'),
                    (2, buyer.billing_info #>> '{postal_address,line2}'),
                    (3, nullif(concat_ws(
                        ' ', buyer.billing_info #>> '{postal_address,postal_code}',
                        buyer.billing_info #>> '{postal_address,city}'
                    ), '')),
                    (4, buyer.billing_info #>> '{postal_address,region}'),
                    (5, buyer.billing_info #>> '{postal_address,country}')
            ) AS line (place, text)
            WHERE line.text IS NOT NULL
        ),
        'tax_id', (
            SELECT string_agg(each.tax_id ->> 'value', ', ' ORDER BY each.place)
            FROM jsonb_array_elements(buyer.billing_info -> 'tax_ids')
                WITH ORDINALITY AS each (tax_id, place)
        )
    )) AS billing_info
FROM paid
JOIN subscriptions.customers AS buyer ON buyer.id = paid.id
WHERE paid.payer = 'self'
