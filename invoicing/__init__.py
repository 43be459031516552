"""From due periods to invoices: the billing run and what it leaves.

Owns: billing runs, invoices, their lines, number series, the canonical invoice document.
Does not own: price arithmetic (`rating/`), usage (`usage/`), who is due (`subscriptions/`), how an
invoice looks (`documents/`).
Invariants: one invoice per subscription, period and kind; numbers of a series are 1..n without a
gap; a numbered invoice never changes; a run that was killed goes on with its own instant and cut,
and what it makes does not depend on kills, repeats or the number of processes; a preview is the
run's own pure function.
"""
