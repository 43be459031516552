-- The chunks' proof of their events stays, that of their totals goes first, then the totals.
ALTER TABLE stream_ledger DELETE WHERE level > 0;
ALTER TABLE stream_ledger UPDATE catalog_version = 0 WHERE level = 0;
TRUNCATE TABLE meter_usage;
