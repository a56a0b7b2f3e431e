"""Dashboards as data, and the JSON that Grafana loads. `exporter.dashboards` has ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 24
"""Of a dashboard, in Grafana's columns."""

HEIGHT: Final = 7
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and the name of each of its series with `{{label}}` for the value of a label."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A graph, or with `is_stat` a single number; `words` are shown in the place of numbers."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    meaning: str = ""
    width: int = 8
    is_stat: bool = False
    words: Mapping[int, tuple[str, str]] | None = None
    """Text and colour."""


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What the reader chooses; `query` is Grafana's `label_values(…)`."""

    name: str
    query: str
    regex: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page; `span` is the range that it opens with."""

    uid: str
    title: str
    span: str
    sections: tuple[Section, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def panels(self) -> Iterator[Panel]:
        """All panels, in their order."""
        for section in self.sections:
            yield from section.panels


def as_json(dashboard: Dashboard) -> dict[str, Any]:
    """What Grafana imports, from version 9 on."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["coalmine"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": f"now-{dashboard.span}", "to": "now"},
        "templating": {"list": [_SOURCE_CHOICE, *map(_variable, dashboard.variables)]},
        "panels": list(_laid_out(dashboard.sections)),
    }


_SOURCE_CHOICE: Final = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "regex": variable.regex,
        "refresh": 2,
        "sort": 1,
    }


def _laid_out(sections: Sequence[Section]) -> Iterator[dict[str, Any]]:
    """All panels with their places: from left to right, in lines of equal height."""
    number, top = 0, 0
    for section in sections:
        number += 1
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": section.title, "gridPos": place, "panels": []}
        left, top = 0, top + 1
        for panel in section.panels:
            number += 1
            if left + panel.width > WIDTH:
                left, top = 0, top + HEIGHT
            place = {"x": left, "y": top, "w": panel.width, "h": HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left += panel.width
        top += HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.words:
        texts = {
            str(at): {"text": text, "color": color} for at, (text, color) in panel.words.items()
        }
        defaults["mappings"] = [{"type": "value", "options": texts}]
    return {
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
            }
            for index, query in enumerate(panel.queries)
        ],
    }
