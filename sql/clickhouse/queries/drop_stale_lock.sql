DROP TABLE IF EXISTS {stale:Identifier} SYNC
