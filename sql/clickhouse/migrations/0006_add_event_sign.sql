-- A void is stored as a copy of the event it takes back, under that event's key, with sign -1.
ALTER TABLE usage_events ADD COLUMN IF NOT EXISTS sign Int8 DEFAULT 1 CODEC(ZSTD(1)) AFTER row;
-- Finds the target of a void without its type, subject and time.
ALTER TABLE usage_events ADD INDEX IF NOT EXISTS event_key key TYPE bloom_filter(0.01) GRANULARITY 1;
