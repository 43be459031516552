"""Contracts: prices of a customer's own, what a period costs at least, and until when.

`negotiated` says what holds of an instant, `checks` what cannot be agreed on, `body` how a contract
is written, `register` makes and ends one, `contract` shows it.
"""
