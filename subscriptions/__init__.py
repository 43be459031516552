"""Who pays, for whose usage, for which plan, and when a period is due.

Owns: customers with their subjects and payment methods, subscriptions, billing periods, the
declarative set-up of a tenant.
Does not own: what a plan costs (`catalog/`), what was used (`usage/`), invoices.
Invariants: at any instant a subject has at most one customer, and at most one subscription of a
customer prices a meter; nobody stands above themselves; periods of a subscription step from its
anchor for ever, touch each other and are billed in order, each once.
"""
