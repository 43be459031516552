DROP TABLE {block:Identifier} SYNC
