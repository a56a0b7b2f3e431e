"""The only doors to Kubernetes, Redis and HTTP.

Each door is a small protocol with a real implementation; what stands in for it in tests is held to
the same suite in `tests/contract`. Library exceptions are translated here, once, to the four kinds
of `clients.errors`. Imports `config` only; nothing here knows what a rollout is.
"""
