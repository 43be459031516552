"""Usage and prices in, rated lines out: every amount exact, then rounded once.

Owns: the price models (one file each in `prices/`), the ordered list of steps, the one rounding,
shares of a period, credits of what was billed, the split of a whole into parts, what is agreed over
several periods (`agreements/`), units of one's own (`price_units/`). Does not own: which
prices apply to whom (`catalog/`, `subscriptions/`), what was used (`usage/`), what becomes of a
line (`invoicing/`).
Invariants: nothing here knows the time, does IO, reads settings or writes a log; the same frames
give the same frame; an amount equals the exact product up to its one rounding, or a typed error
names the lines; no number is a binary fraction.
"""

from rating.engine import RULE_VERSION, derive_period, rate_period
from rating.frames import DERIVATION, EVENTS, GROUPED_EVENTS, GROUPED_USAGE, LINES, RATED, USAGE
from rating.prices import MODELS, Price
from rating.proof import PROOF, prove_period
from rating.tables import add_usage, lines_of_usage, usage_of_table

__all__ = [
    "DERIVATION",
    "EVENTS",
    "GROUPED_EVENTS",
    "GROUPED_USAGE",
    "LINES",
    "MODELS",
    "PROOF",
    "RATED",
    "RULE_VERSION",
    "USAGE",
    "Price",
    "add_usage",
    "derive_period",
    "lines_of_usage",
    "prove_period",
    "rate_period",
    "usage_of_table",
]
