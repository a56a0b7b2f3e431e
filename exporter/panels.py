"""The panels that dashboards are made of.

Windows are Grafana's `$__rate_interval`, four scrapes at least, so that panels show something
however often is scraped.
"""

from __future__ import annotations

from typing import Final

from exporter.grafana import Panel, Query

WINDOW: Final = "$__rate_interval"


def rate(selected: str) -> str:
    """How fast the counters `selected` grow."""
    return f"rate({selected}[{WINDOW}])"


def quantile(q: float, histogram: str, *by: str, where: str = "") -> str:
    """A quantile of `histogram`, for each value of the labels `by`."""
    labels = ", ".join(("le", *by))
    return f"histogram_quantile({q}, sum by ({labels}) ({rate(f'{histogram}_bucket{where}')}))"


def per_second(title: str, metric: str, by: str, *, where: str = "") -> Panel:
    """A graph of how often something happens."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    query = Query(f"sum by ({by}) ({rate(f'{metric}{where}')})", legend)
    return Panel(title=title, queries=(query,), unit="ops")


def seconds(title: str, histogram: str, *by: str, meaning: str = "") -> Panel:
    """A graph of how long something takes: the median, and the longest but one in a hundred."""
    names = " ".join(f"{{{{{label}}}}}" for label in by)
    queries = tuple(
        Query(quantile(q, histogram, *by), f"{text} {names}".strip())
        for q, text in ((0.5, "p50"), (0.99, "p99"))
    )
    return Panel(title=title, queries=queries, unit="s", meaning=meaning)


def number(title: str, expr: str, unit: str = "short", meaning: str = "") -> Panel:
    """The last value of `expr` alone."""
    return Panel(
        title=title, queries=(Query(expr),), unit=unit, meaning=meaning, width=4, is_stat=True
    )


def lines(title: str, expr: str, legend: str, unit: str = "short", meaning: str = "") -> Panel:
    """A graph with a line for each `legend`."""
    return Panel(title=title, queries=(Query(expr, legend),), unit=unit, meaning=meaning)
