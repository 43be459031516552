-- The events go, too: rows that do not belong there would be in the way of those that do.
ALTER TABLE stream_ledger DELETE
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND has({runs:Array(String)}, concat(toString(level), '/', toString(run)));
ALTER TABLE meter_usage DELETE
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND has({runs:Array(String)}, concat(toString(level), '/', toString(run)));
ALTER TABLE usage_events DELETE
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND has({chunks:Array(UInt64)}, intDiv(offset, {chunk_records:UInt64}));
ALTER TABLE stream_conflicts DELETE
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND has({chunks:Array(UInt64)}, intDiv(offset, {chunk_records:UInt64}));
