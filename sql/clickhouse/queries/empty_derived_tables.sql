-- All that is a function of the log. The ledger goes first: what it does not prove, nobody reads.
TRUNCATE TABLE stream_ledger;
TRUNCATE TABLE stream_ends;
TRUNCATE TABLE meter_usage;
TRUNCATE TABLE usage_events;
TRUNCATE TABLE stream_conflicts;
