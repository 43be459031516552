INSERT INTO public.schema_migrations (number, name, sha256) VALUES (%(number)s, %(name)s, %(sha256)s)
