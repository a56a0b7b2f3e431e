"""The whole of Coalmine on one thread and in simulated time, over a sandbox cluster.

Real: rules, services, store scripts, routing and workload writers, scheduler's projections. Faked
at the doors: API server (`tests.fakes.kube`), Redis (fakeredis), metrics and webhooks. Messages
wait in a bag until a test delivers, repeats, reorders or loses them.
"""
