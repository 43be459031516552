-- Each of these only ever grows: the same four numbers mean the same catalog snapshot.
SELECT
    (SELECT version FROM catalog.catalog_version) AS catalog_version,
    (SELECT count(archived_at) FROM catalog.meters) AS archived_meters,
    count(*) AS api_keys,
    count(revoked_at) AS revoked_api_keys
FROM identity.api_keys
