"""Every query of the dashboards and rules, asked of a Prometheus that has scraped a real run."""

from collections.abc import Iterator

import pytest

from exporter import dashboards, reference
from tests import patience
from tests.services import presence
from tests.system import recorded
from tests.system.recorded import Run
from tests.unit.exporter import expressions

ONLY_IN_TROUBLE = {
    rule["alert"] for rule in expressions.rules("alerts.yaml") if rule["alert"].startswith("Coal")
}
"""Alerts about Coalmine itself: promtool shows that they fire (tests/contract/test_rules.py)."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A good release and two bad ones, recorded."""
    presence.require("prometheus")
    presence.require("valkey")
    with recorded.run(tmp_path_factory.mktemp("run")) as recording:
        yield recording


def test_every_query_has_an_answer_after_a_real_run(run: Run) -> None:
    """An empty panel, or a rule that never speaks, is a mistake in a name or in a label."""
    empty = {
        (where, expr)
        for where, expr in expressions.everything()
        if where not in ONLY_IN_TROUBLE and not run.answer(expr)
    }
    assert empty == set()


def test_the_alerts_are_about_the_two_that_were_rolled_back(run: Run) -> None:
    """And about nobody else; nothing fires about Coalmine itself, busy as the machine may be."""
    told = 'ALERTS{alertname!~"Coalmine.*"} or ALERTS{alertstate="firing"}'
    found = run.prometheus.query(told)["result"]
    alerts = {(each["metric"]["alertname"], each["metric"].get("name")) for each in found}
    assert alerts == {
        (alert, name)
        for alert in ("canary_rollback", "CanaryRolloutFailed")
        for name in ("checkout", "search")
    }


def test_the_fleet_is_there_once_though_two_beats_run(run: Run) -> None:
    """One leads; the other, and the workers, tell only what they do themselves."""
    patience.until(lambda: len(run.answer("coalmine_leading")) == 2)
    leaders = run.answer("coalmine_leading")
    assert sorted(each["value"][1] for each in leaders) == ["0", "1"]
    declared = {each.name for each in reference.declared() if each.name.startswith("flagger_")}
    for name in declared - {"flagger_canary_duration_seconds"}:
        labels = "namespace, name, workload, metric, deployment_strategy, analysis_status"
        counted = run.answer(f"max(count by ({labels}) ({name}))")
        assert [each["value"][1] for each in counted] == ["1"], name
    total = run.answer("sum(flagger_canary_total)")
    assert total[0]["value"][1] == "3"


def test_every_panel_has_a_series_over_the_run(run: Run) -> None:
    """What a picture of it would show: the data path of each."""
    for dashboard in dashboards.ALL.values():
        for title, expr in expressions.of_dashboard(dashboard, expressions.CHOSEN, "10s"):
            series = run.prometheus.query_range(expr, run.began, run.ended, 1.0)
            assert sum(len(each["values"]) for each in series) > 3, title


def test_a_recorded_rate_is_found_by_its_workload(run: Run) -> None:
    """Row 7 of the articles: the rule keeps the labels by which it is looked up, side by side."""
    for workload in ("podinfo", "podinfo-primary", "checkout-primary"):
        lookup = f'workload:request_success_rate:1m{{destination_workload="{workload}"}}'
        (found,) = run.answer(lookup)
        assert set(found["metric"]) == {
            *("__name__", "destination_workload", "destination_workload_namespace")
        }
        assert 0 < float(found["value"][1]) <= 1
