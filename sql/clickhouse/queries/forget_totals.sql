ALTER TABLE stream_ledger DELETE
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND level > 0
    AND has({runs:Array(String)}, concat(toString(level), '/', toString(run)));
ALTER TABLE stream_ledger UPDATE catalog_version = 0
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND level = 0
    AND has({chunks:Array(UInt64)}, run);
ALTER TABLE meter_usage DELETE
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND has({runs:Array(String)}, concat(toString(level), '/', toString(run)));
