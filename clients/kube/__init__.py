"""The door to Kubernetes: its protocol, and the client of an API server."""
