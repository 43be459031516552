-- The phases of plan versions, in their order.
SELECT
    phase.plan_version_id, version.plan_id, phase.key, phase.name, phase.lasts, phase.trial,
    phase.free_meters, phase.quantities,
    array(
        SELECT meter.slug FROM catalog.meters AS meter
        WHERE meter.id = ANY(phase.free_meters) ORDER BY meter.slug
    ) AS free_slugs
FROM catalog.plan_phases AS phase
JOIN catalog.plan_versions AS version ON version.id = phase.plan_version_id
WHERE phase.tenant_id = %(tenant_id)s AND phase.plan_version_id = ANY(%(plan_version_ids)s)
ORDER BY phase.plan_version_id, phase.position
