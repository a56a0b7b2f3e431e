"""The whole of Coalmine on one thread and in simulated time, over an in-memory cluster.

Real: rules, services, store scripts, routing and workload writers, scheduler's projections. Faked
at the doors: API server (`clients.kube.memory`), Redis (fakeredis), metrics and webhooks. Messages
wait in a bag until a test delivers, repeats, reorders or loses them.
"""
