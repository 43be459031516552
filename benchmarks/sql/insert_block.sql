INSERT INTO {table:Identifier} SELECT * FROM {block:Identifier}
