-- Plan versions with their phases, in order: key, how long, whether it is a trial.
SELECT
    version.id, version.plan_id,
    array(
        SELECT jsonb_build_array(phase.key, phase.lasts, phase.trial) FROM catalog.plan_phases AS phase
        WHERE phase.plan_version_id = version.id ORDER BY phase.position
    ) AS phases
FROM catalog.plan_versions AS version
WHERE version.tenant_id = %(tenant_id)s AND version.id = ANY(%(plan_version_ids)s)
