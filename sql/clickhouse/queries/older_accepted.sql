-- How many keys older generations may hold, by the ledger, back from a log time.
SELECT sum(accepted) AS accepted
FROM stream_ledger FINAL
WHERE level = 0 AND generation < {generation:UInt16}
    AND log_time >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
