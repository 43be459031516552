"""Files that people and machines keep: the PDF of an invoice, the picture of a price.

Owns: how a finished invoice looks on paper, and a price's cost over quantity. Does not own: its
content or its amounts (`invoicing/`, `rating/`), where files are stored, who is mailed.
Invariants: a file is a pure function of the invoice's canonical JSON document, or of the price: no
clock, no machine font, no network; the same document gives the same bytes.
"""
