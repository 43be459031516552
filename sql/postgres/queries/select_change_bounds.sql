-- How far a tenant's events go: those up to pruned_position are gone, or will be.
SELECT last_position, pruned_position FROM outbox.positions WHERE tenant_id = %(tenant_id)s
