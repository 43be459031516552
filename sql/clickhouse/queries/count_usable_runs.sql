-- How many runs the two parts of an answer take from meter_usage. At a fixed cut this only grows.
SELECT count()
FROM stream_ledger FINAL
INNER JOIN (SELECT generation, chunk_records FROM stream_generations FINAL) AS generations
    USING (generation)
WHERE level = 0
    AND catalog_version >= {catalog_version:UInt32}
    AND last_offset + 1 = (run + 1) * chunk_records
    AND last_offset < transform(
        concat(toString(generation), '/', toString(partition)),
        {cut_parts:Array(String)}, {cut_ends:Array(UInt64)}, toUInt64(0)
    )
