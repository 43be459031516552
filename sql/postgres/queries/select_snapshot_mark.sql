-- Each of these only ever grows: the same numbers mean the same catalog snapshot.
SELECT
    (SELECT version FROM catalog.catalog_version) AS catalog_version,
    (SELECT count(archived_at) FROM catalog.meters) AS archived_meters,
    (SELECT coalesce(sum(label_version), 0) FROM catalog.meters) AS changed_labels,
    (SELECT coalesce(sum(change_count), 0) FROM identity.tenants) AS changed_tenants,
    coalesce(sum(change_count), 0) AS changed_api_keys,
    count(*) AS api_keys,
    count(revoked_at) AS revoked_api_keys
FROM identity.api_keys
