SELECT outbox.prune(%(slot)s, %(before)s) AS emptied
