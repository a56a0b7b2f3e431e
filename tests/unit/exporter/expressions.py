"""All PromQL in deploy/: rules, dashboards as a reader would have Grafana ask them, autoscalers."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from exporter import dashboards, panels
from exporter.grafana import Dashboard
from tests.services.presence import REPOSITORY

RULES: Final = REPOSITORY / "deploy" / "prometheus"
FILES: Final = ("alerts.yaml", "recording.yaml")

CHOSEN: Final = {"namespace": "shop", "primary": "podinfo-primary", "canary": "podinfo"}
"""What is chosen for the variables."""


def rules(file: str) -> Iterator[Mapping[str, Any]]:
    """The rules in a file of `deploy/prometheus`."""
    for group in yaml.safe_load((RULES / file).read_text("utf-8"))["groups"]:
        yield from group["rules"]


def of_dashboard(
    dashboard: Dashboard, chosen: Mapping[str, str], window: str
) -> Iterator[tuple[str, str]]:
    """Title of a panel and PromQL, with values for the variables and the window."""
    for panel in dashboard.panels:
        for query in panel.queries:
            text = query.expr.replace(panels.WINDOW, window)
            for name, value in chosen.items():
                text = text.replace(f"${name}", value)
            assert "$" not in text
            yield panel.title, text


def of_autoscalers() -> Iterator[tuple[str, str]]:
    """What follows the queue of the analysis workers, and what is asked on its behalf.

    prometheus-adapter fills in the name of the metric and the selector of the autoscaler.
    """
    components = REPOSITORY / "deploy" / "kustomize" / "components"
    scaled = yaml.safe_load((components / "keda" / "scaled-object.yaml").read_text("utf-8"))
    yield "KEDA", scaled["spec"]["triggers"][0]["metadata"]["query"]
    scaler = yaml.safe_load((components / "hpa" / "autoscaler.yaml").read_text("utf-8"))
    metric = scaler["spec"]["metrics"][0]["external"]["metric"]
    [rule] = yaml.safe_load((RULES / "adapter.yaml").read_text("utf-8"))["externalRules"]
    assert rule["seriesQuery"] == metric["name"]
    labels = ",".join(
        f'{key}="{value}"' for key, value in metric["selector"]["matchLabels"].items()
    )
    text = rule["metricsQuery"].replace("<<.Series>>", metric["name"])
    yield "HPA", text.replace("<<.LabelMatchers>>", labels)


def everything(window: str = "1m") -> Iterator[tuple[str, str]]:
    """Where it stands, and the PromQL."""
    for file in FILES:
        for rule in rules(file):
            yield rule.get("alert") or rule["record"], rule["expr"]
    yield from of_autoscalers()
    for dashboard in dashboards.ALL.values():
        yield from of_dashboard(dashboard, CHOSEN, window)
