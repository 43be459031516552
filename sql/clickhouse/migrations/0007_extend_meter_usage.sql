-- What the aggregations beyond count and sum merge from, voids, and why values could not be metered.
ALTER TABLE meter_usage
    ADD COLUMN IF NOT EXISTS voided_count UInt64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER event_count,
    MODIFY COLUMN unmeterable_count Int64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS missing_count Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER unmeterable_count,
    ADD COLUMN IF NOT EXISTS not_a_number_count Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER missing_count,
    ADD COLUMN IF NOT EXISTS too_large_count Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER not_a_number_count,
    ADD COLUMN IF NOT EXISTS too_precise_count Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER too_large_count,
    ADD COLUMN IF NOT EXISTS too_long_count Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER too_precise_count,
    ADD COLUMN IF NOT EXISTS min Nullable(Decimal(38, 12)) CODEC(ZSTD(1)) AFTER sum,
    ADD COLUMN IF NOT EXISTS max Nullable(Decimal(38, 12)) CODEC(ZSTD(1)) AFTER min,
    ADD COLUMN IF NOT EXISTS latest Nullable(Decimal(38, 12)) CODEC(ZSTD(1)) AFTER max,
    ADD COLUMN IF NOT EXISTS latest_time Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)) AFTER latest,
    ADD COLUMN IF NOT EXISTS latest_position String DEFAULT '' CODEC(ZSTD(1)) AFTER latest_time,
    ADD COLUMN IF NOT EXISTS distinct_values Array(String) CODEC(ZSTD(1)) AFTER latest_position;
