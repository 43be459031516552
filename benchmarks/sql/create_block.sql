-- The rows of one block, in memory.
CREATE TABLE {block:Identifier} ENGINE = Memory AS SELECT * FROM {table:Identifier} LIMIT 0
