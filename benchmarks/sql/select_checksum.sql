-- Rows, and a checksum over whole rows that no order changes.
SELECT count() AS row_count, groupBitXor(cityHash64(*)) AS checksum
FROM {table:Identifier}
