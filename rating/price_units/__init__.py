"""Price units of one's own: credits, tokens; and what they come to in a currency.

Owns: what a price unit is, its dated rates, the conversion of rated lines. Does not own: which
instant's rate a line takes, and in what a customer pays (`subscriptions/`); balances (`wallets/`).
Invariants: the exact amount is converted, never a rounded one; it is rounded once, in the currency
that is billed; both amounts are kept, with the rate.
"""
