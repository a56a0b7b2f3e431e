"""The rules and dashboards as Prometheus' own tool reads them."""

import subprocess
from pathlib import Path

import yaml

from tests.services import presence
from tests.unit.exporter import expressions


def promtool(*words: str) -> str:
    """What promtool says, which is content."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_rules_and_fire_when_they_should() -> None:
    """Its own tests of rules: deploy/prometheus/tests.yaml has a case for each alert."""
    presence.require("prometheus")
    promtool("check", "rules", *(str(expressions.RULES / file) for file in expressions.FILES))
    promtool("test", "rules", str(expressions.RULES / "tests.yaml"))
    tests = yaml.safe_load((expressions.RULES / "tests.yaml").read_text("utf-8"))["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", ())]
    for fires in (True, False):
        tested = {case["alertname"] for case in cases if bool(case.get("exp_alerts")) is fires}
        assert tested == {rule["alert"] for rule in expressions.rules("alerts.yaml")}


def test_every_query_of_a_dashboard_is_promql_to_prometheus_itself(tmp_path: Path) -> None:
    """As rules, which promtool parses all at once."""
    presence.require("prometheus")
    rules = [
        {"record": f"panel:{number}", "expr": expr}
        for number, (_, expr) in enumerate(expressions.everything())
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))
