"""Invoices as files that people and machines keep: the PDF.

Owns: how a finished invoice looks on paper. Does not own: its content or its amounts
(`invoicing/`), where files are stored, who is mailed.
Invariants: a file is a pure function of the invoice's canonical JSON document: no clock, no machine
font, no network; the same document gives the same bytes.
"""
