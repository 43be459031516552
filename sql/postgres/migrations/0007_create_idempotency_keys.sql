-- The first answer to a request that its sender may repeat. Written in the transaction that has the
-- effect; fingerprint is the SHA-256 of what was asked.
CREATE TABLE identity.idempotency_keys
(
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
