"""What a customer may use of a feature, how much of it is used, and what is reserved of it.

Owns: what plans, add-ons, overrides and grants come to for a customer; checks from memory; the
records of `usage/track`, which reserve of a limit until their events are counted; holds ahead of
use. Does not own: what plans give (`catalog`), what was bought (`subscriptions`), how usage is
counted (`usage`).
Invariants: an event is never counted as usage and as a reservation at once; what is reserved of a
hard limit never goes beyond it, whoever reserves beside; a check is never older than it says.
"""
