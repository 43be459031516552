"""Customers: who pays, for which subjects, with which parent, by which payment method.

Owns: the facts of a customer, as they are and as they were known, and what links it to subjects,
parents and payment methods. Does not own: what it bought (`subscriptions.life`), its invoices.
Invariants: at any instant a subject has at most one customer; nobody stands above themselves; a
customer that was invoiced is labelled as deleted, never removed.
"""
