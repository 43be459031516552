"""From due periods to invoices: the billing run and what it leaves.

Owns: billing runs, invoices, their lines and groups, number series, the canonical invoice document,
what one tenant hands over to another.
Does not own: price arithmetic (`rating/`), usage (`usage/`), who is due (`subscriptions/`), how an
invoice looks (`documents/`).
Invariants: one draft per subscription, period and kind, which becomes an invoice, a group of one,
or is handed over; no transaction sees two tenants; numbers of a series are 1..n without a gap; a
numbered invoice never changes; a run that was killed goes on with its own instant and cut, and
what it makes does not depend on kills, repeats or the number of processes; a preview is the run's
own pure function.
"""
