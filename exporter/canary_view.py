"""The dashboard of one canary on Istio, with the variables and panels of Flagger's."""

from __future__ import annotations

from typing import Final

from exporter import panels
from exporter.grafana import Dashboard, Panel, Query, Section, Variable

NAMESPACE: Final = 'namespace=~"$namespace"'
REQUESTS: Final = "istio_requests_total"
DURATION: Final = "istio_request_duration_milliseconds_bucket"

_ROLLOUT: Final = Section(
    "Rollout: $canary.$namespace",
    (
        Panel(
            title="Phase",
            queries=(Query(f'max(flagger_canary_status{{{NAMESPACE}, name=~"$canary"}})'),),
            width=6,
            is_stat=True,
            words={0: ("Progressing", "blue"), 1: ("At rest", "green"), 2: ("Failed", "red")},
        ),
        Panel(
            title="Traffic Weight",
            queries=(
                Query(
                    "max by (workload) "
                    f'(flagger_canary_weight{{{NAMESPACE}, workload=~"$primary|$canary"}})',
                    "{{workload}}",
                ),
            ),
            unit="percent",
            width=9,
        ),
        Panel(
            title="Metric Analysis",
            queries=(
                Query(
                    "max by (metric) "
                    f'(flagger_canary_metric_analysis{{{NAMESPACE}, name=~"$canary"}})',
                    "{{metric}}",
                ),
            ),
            meaning="The last value of each check; durations in seconds.",
            width=9,
        ),
    ),
)

_SIDES: Final = ("primary", "canary")


def _selected(side: str, more: str = "") -> str:
    return (
        f'{{reporter="destination", destination_workload_namespace=~"$namespace", '
        f'destination_workload=~"${side}"{more}}}'
    )


def _volume(side: str) -> Panel:
    expr = f"round(sum({panels.rate(REQUESTS + _selected(side))}), 0.001)"
    return _now(side, "Incoming Request Volume", expr, "ops")


def _success(side: str) -> Panel:
    good = panels.rate(REQUESTS + _selected(side, ', response_code!~"5.*"'))
    expr = f"sum({good}) / sum({panels.rate(REQUESTS + _selected(side))})"
    return _now(side, "Incoming Success Rate", expr, "percentunit")


def _now(side: str, title: str, expr: str, unit: str) -> Panel:
    """The last value, a quarter of the page wide."""
    return Panel(
        title=f"{side.title()}: {title}",
        queries=(Query(expr),),
        unit=unit,
        width=6,
        is_stat=True,
    )


def _durations(side: str) -> Panel:
    sums = f"sum by (le) ({panels.rate(DURATION + _selected(side))})"
    return Panel(
        title=f"{side.title()}: Request Duration",
        queries=tuple(
            Query(f"histogram_quantile({q}, {sums}) / 1000", text)
            for q, text in ((0.5, "P50"), (0.9, "P90"), (0.99, "P99"))
        ),
        unit="s",
        width=12,
    )


def _pods(side: str, more: str = "") -> str:
    """The containers of one side; the pods of a target have the beginning of the primary's name."""
    others = ', pod!~"$primary.*"' if side == "canary" else ""
    return f'{{{more}namespace=~"$namespace", pod=~"${side}.*"{others}}}'


def _usage(side: str) -> tuple[Panel, ...]:
    app = 'container!~"POD|istio-proxy|", '
    cpu = panels.rate(f"container_cpu_usage_seconds_total{_pods(side, app)}")
    memory = f"container_memory_working_set_bytes{_pods(side, app)}"
    received = panels.rate(f"container_network_receive_bytes_total{_pods(side)}")
    sent = panels.rate(f"container_network_transmit_bytes_total{_pods(side)}")
    name = side.title()
    return (
        panels.lines(f"{name}: CPU Usage by Pod", f"sum by (pod) ({cpu})", "{{pod}}"),
        panels.lines(
            f"{name}: Memory Usage by Pod", f"sum by (pod) ({memory})", "{{pod}}", "bytes"
        ),
        Panel(
            title=f"{name}: Network I/O",
            queries=(
                Query(f"sum by (pod) ({received})", "{{pod}} received"),
                Query(f"-sum by (pod) ({sent})", "{{pod}} sent"),
            ),
            unit="Bps",
        ),
    )


def _incoming(side: str) -> Panel:
    labels = "connection_security_policy, source_workload, source_workload_namespace, response_code"
    expr = f"sum by ({labels}) ({panels.rate(REQUESTS + _selected(side))})"
    legend = "{{source_workload}}.{{source_workload_namespace}} {{response_code}} "
    return Panel(
        title=f"{side.title()}: Incoming Requests by Source And Response Code",
        queries=(Query(expr, f"{legend}{{{{connection_security_policy}}}}"),),
        unit="ops",
        width=12,
    )


def _outgoing(side: str) -> Panel:
    selected = (
        f'{{reporter="source", source_workload_namespace=~"$namespace", '
        f'source_workload=~"${side}"}}'
    )
    expr = f"sum by (destination_service, response_code) ({panels.rate(REQUESTS + selected)})"
    return Panel(
        title=f"{side.title()}: Outgoing Requests by Destination And Response Code",
        queries=(Query(expr, "{{destination_service}} {{response_code}}"),),
        unit="ops",
        width=12,
    )


_WORKLOADS: Final = (
    'label_values(istio_requests_total{destination_workload_namespace=~"$namespace"}, '
    "destination_workload)"
)

CANARY: Final = Dashboard(
    "coalmine-canary",
    "Coalmine: Istio Canary",
    "5m",
    (
        _ROLLOUT,
        Section(
            "RED: $canary.$namespace", tuple(f(s) for f in (_volume, _success) for s in _SIDES)
        ),
        Section("Durations: $canary.$namespace", tuple(map(_durations, _SIDES))),
        Section("USE: $canary.$namespace", tuple(p for s in _SIDES for p in _usage(s))),
        Section(
            "IN/OUTBOUND: $canary.$namespace",
            (*map(_incoming, _SIDES), *map(_outgoing, _SIDES)),
        ),
    ),
    (
        Variable("namespace", "label_values(istio_requests_total, destination_workload_namespace)"),
        Variable("primary", _WORKLOADS, "/.*-primary/"),
        Variable("canary", _WORKLOADS, "/^(?!.*-primary$).*$/"),
    ),
)
