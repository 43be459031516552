INSERT INTO schema_migrations (number, name, sha256)
SELECT {number:UInt32}, {name:String}, {sha256:String}
