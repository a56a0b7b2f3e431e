"""The door to HTTP endpoints: bounded bodies, time limits, one policy of retries."""
