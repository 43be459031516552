"""What can be measured and sold: meters, features, prices, plans, their drafts and versions.

Owns: their definitions and storage, the catalog snapshot that the data plane runs on, and the
kernel that says what a meter means. Does not own: price arithmetic (`rating/`), who buys.
Invariants: meters, prices and plan versions are final once written, of a plan one
version is sold at a time; catalog versions are 1..n
without a gap over all tenants, and whoever sees version n sees meters 1..n; no amount is a float.
"""
