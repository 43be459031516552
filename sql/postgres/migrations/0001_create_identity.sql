-- Who uses Tollbook (tenants), and how their programs prove it (API keys).
CREATE SCHEMA identity;

CREATE TABLE identity.tenants
(
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}'
);

-- A key is shown once; only its SHA-256 and its public prefix are kept. Revoking is for ever.
CREATE TABLE identity.api_keys
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    name text NOT NULL,
    prefix text NOT NULL UNIQUE,
    key_hash text NOT NULL UNIQUE CHECK (key_hash ~ '^[0-9a-f]{64}$'),
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX api_keys_by_tenant ON identity.api_keys (tenant_id);
