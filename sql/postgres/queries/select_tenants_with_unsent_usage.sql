-- Whose records may have been left unsent.
SELECT DISTINCT tenant_id
FROM entitlements.usage_records
WHERE sent_at IS NULL
