"""Beat and watch: what is due, and what changed in the cluster.

The agenda is a sorted set of ranks and due times in Redis, claimed atomically, so two beats are
harmless; the watch side keeps compact projections of the objects that decisions need.
"""
