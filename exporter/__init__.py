"""What Prometheus is told: the only package that knows `prometheus_client`."""
