-- Named operations that replace the events of some subjects and a time by those of a file. Everything an
-- operation does follows from its row, so it can be gone on with after a crash, and reverted.
CREATE SCHEMA corrections;

-- spans: [{"subjects": [...], "start", "end"}], what is replaced; cut: up to which offsets of the log;
-- file_sha256 and file_events: what replaces it; the counts are null until the step that counts is done.
CREATE TABLE corrections.operations
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    state text NOT NULL CHECK (state IN ('applying', 'applied', 'reverting', 'reverted')),
    spans jsonb NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL CHECK (period_start < period_end),
    cut jsonb NOT NULL,
    file_sha256 text NOT NULL CHECK (file_sha256 ~ '^[0-9a-f]{64}$'),
    file_events bigint NOT NULL,
    voided_events bigint,
    created_at timestamptz NOT NULL,
    applied_at timestamptz,
    reverted_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, name)
);
CREATE TRIGGER operations_are_final BEFORE DELETE OR UPDATE OF
    id, tenant_id, name, spans, period_start, period_end, cut, file_sha256, file_events, created_at
ON corrections.operations FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();
