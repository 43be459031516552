SELECT emptied FROM outbox.prune(%(before)s) AS emptied
