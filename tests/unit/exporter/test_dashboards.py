"""The dashboards and rules: generated files are fresh, and what they name is there.

Left out: what the rules say, which promtool tests (tests/contract/test_rules.py), and that each
query has an answer after a real run (tests/system/test_dashboards.py).
"""

import json
import re
from collections import Counter

import promql_parser
import pytest

from exporter import dashboards, reference
from tests.unit.exporter import expressions

ALL = list(expressions.everything())

SUFFIXES = re.compile(r"_(bucket|sum|count)$")


@pytest.mark.parametrize("name", dashboards.ALL)
def test_the_files_are_what_is_described(name: str) -> None:
    """Regenerate with `python -m exporter.dashboards`."""
    file = dashboards.FOLDER / f"{name}.json"
    assert file.read_text("utf-8") == dashboards.text(dashboards.ALL[name])


@pytest.mark.parametrize(("where", "expr"), ALL, ids=[where for where, _ in ALL])
def test_every_query_is_promql_about_metrics_that_are_told(where: str, expr: str) -> None:
    """A name that is mistyped, or was changed, would be an empty panel or a silent alert."""
    promql_parser.parse(expr)
    recorded = {rule["record"] for rule in expressions.rules("recording.yaml")}
    declared = {each.name for each in reference.declared()} | recorded
    names = set(re.findall(r"\b(?:coalmine|flagger|canary|workload)[_:][a-z0-9_:]+", expr))
    ours = {name for name in names if name.startswith(("coalmine", "flagger_")) or ":" in name}
    unknown = {name for name in ours if not {name, SUFFIXES.sub("", name)} & declared}
    assert unknown == set(), where


@pytest.mark.parametrize("name", dashboards.ALL)
def test_panels_fill_their_lines_and_none_covers_another(name: str) -> None:
    """As Grafana lays them out, on a grid of 24 columns."""
    made = json.loads(dashboards.text(dashboards.ALL[name]))
    places = [panel["gridPos"] for panel in made["panels"]]
    cells = Counter(
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    assert max(cells.values()) == 1
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in made["panels"]}) == len(places)


def test_the_canary_dashboard_has_the_variables_that_users_know() -> None:
    """Row 22 of the articles: those of Flagger's dashboard for Istio."""
    made = json.loads(dashboards.text(dashboards.ALL["canary"]))
    assert [each["name"] for each in made["templating"]["list"]] == [
        *("datasource", "namespace", "primary", "canary")
    ]


def test_the_rule_of_flaggers_documentation_stands_as_it_is() -> None:
    """Row 19 of the articles: name, expression, duration and severity."""
    rule = next(iter(expressions.rules("alerts.yaml")))
    assert {key: rule[key] for key in ("alert", "expr", "for", "labels")} == {
        "alert": "canary_rollback",
        "expr": "flagger_canary_status > 1",
        "for": "1m",
        "labels": {"severity": "warning"},
    }
