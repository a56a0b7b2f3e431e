"""The door to Kubernetes: its protocol, the client of an API server, and the fake held to both."""
