"""The embedded default: an in-process cluster (API server, controllers, mesh, Prometheus)."""
