OPTIMIZE TABLE {name:Identifier} FINAL
