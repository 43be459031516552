"""Contracts: prices of a customer's own, what a period costs at least, and until when.

Owns: what was agreed with a customer beside its plan, and when that holds (`negotiated`). Does not
own: the arithmetic of prices, and lines of invoices, which `invoicing` makes of what it reads here.
Invariants: at any instant a line has at most one price of its own for a plan, and one for any; each
fits its line; what is invoiced is never agreed on.
"""
