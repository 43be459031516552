INSERT INTO public.schema_migrations (number, name, sha256) VALUES (%s, %s, %s)
