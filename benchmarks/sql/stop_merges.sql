SYSTEM STOP MERGES {table:Identifier}
