-- Invoices print lines: an address in parts becomes lines in their usual order.
SELECT
    id, name,
    billing_info || jsonb_strip_nulls(jsonb_build_object(
        'address', (
            SELECT jsonb_agg(line.text ORDER BY line.place)
            FROM (
                VALUES
                    (1, billing_info #>> '{postal_address,line1}'),
                    (2, billing_info #>> '{postal_address,line2}'),
                    (3, nullif(concat_ws(
                        ' ', billing_info #>> '{postal_address,postal_code}',
                        billing_info #>> '{postal_address,city}'
                    ), '')),
                    (4, billing_info #>> '{postal_address,region}'),
                    (5, billing_info #>> '{postal_address,country}')
            ) AS line (place, text)
            WHERE line.text IS NOT NULL
        ),
        'tax_id', (
            SELECT string_agg(each.tax_id ->> 'value', ', ' ORDER BY each.place)
            FROM jsonb_array_elements(billing_info -> 'tax_ids') WITH ORDINALITY AS each (tax_id, place)
        )
    )) AS billing_info
FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(customer_ids)s)
