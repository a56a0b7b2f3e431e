"""Workloads: what a target looks like, the primary made from it, and how they are scaled.

Pure apart from `converge`, with what it is made of, which writes through `clients.kube`. Knows
nothing of rollouts: the rules say what should be (`config.scaling.WorkloadIntent`), this package
brings it about.
"""
