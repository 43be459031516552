-- The complete chunks of a partition, with the catalog that their totals were made with.
SELECT run, last_offset, catalog_version
FROM stream_ledger FINAL
INNER JOIN (SELECT generation, chunk_records FROM stream_generations FINAL) AS generations
    USING (generation)
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND level = 0
    AND last_offset + 1 = (run + 1) * chunk_records
ORDER BY run
