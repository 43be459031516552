-- What is made of each number of a crowd: whoever fills and resets tables takes it from here.
CREATE TABLE IF NOT EXISTS benchmark_crowd
(
    number integer NOT NULL,
    tenant_id uuid NOT NULL,
    subscribes boolean NOT NULL,
    customer_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    time_zone text NOT NULL,
    anchor_at timestamptz NOT NULL,
    ended_at timestamptz,
    paused boolean NOT NULL,
    due boolean NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, number)
)
