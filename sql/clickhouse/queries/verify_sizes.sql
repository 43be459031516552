-- How many events each subject has, about: rows that are stored twice count twice. A subject that has
-- totals alone is listed, too.
SELECT tenant_id, subject, sum(events) AS stored
FROM
(
    SELECT tenant_id, subject, count() AS events FROM usage_events GROUP BY tenant_id, subject
    UNION ALL
    SELECT DISTINCT tenant_id, subject, 0 AS events FROM meter_usage
)
GROUP BY tenant_id, subject
ORDER BY tenant_id, subject
