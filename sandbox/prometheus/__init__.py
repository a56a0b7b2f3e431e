"""A metrics server that speaks the Prometheus HTTP API over the sandbox's series.

`PrometheusServer` serves a `SeriesStore`; its `faults` make it misbehave on purpose.
"""

from sandbox.prometheus.faults import Empty, Fault, Faults, Hang, HttpStatus, NotANumber
from sandbox.prometheus.server import PrometheusServer

__all__ = ["Empty", "Fault", "Faults", "Hang", "HttpStatus", "NotANumber", "PrometheusServer"]
