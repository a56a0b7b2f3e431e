"""Traffic: what the mesh objects and Services of a canary look like, and the one writer of them.

A mesh is a codec of two pure functions (`render`, `parse`; see `router`); reading, comparing and
writing live once, in `apply`. Only the routing workers run this code, under the only
ServiceAccount that may write routes.
"""
