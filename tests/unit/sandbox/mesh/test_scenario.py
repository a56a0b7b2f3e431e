"""The scenario file: what it accepts, how it names what is wrong, and profiles over time."""

from typing import Any

import pytest

from sandbox.mesh import Scenario, ScenarioError
from sandbox.mesh.scenario import Percentiles, Profile, Stage

LATENCY = {"p50_ms": 20, "p99_ms": 90}


def a_scenario(*, profile: Any = None, **host: Any) -> dict[str, Any]:
    """A scenario of one profile, `healthy`, and one host, with fields changed."""
    return {
        "profiles": {"healthy": profile or {"latency": LATENCY}},
        "hosts": [
            {
                "host": "podinfo",
                "namespace": "test",
                "requests_per_second": 10,
                "default_profile": "healthy",
                **host,
            }
        ],
    }


def test_a_scenario_is_read_from_yaml() -> None:
    """Every field of the documented format is understood; a tag may look like a number."""
    scenario = Scenario.parse(
        """
        profiles:
          healthy: {error_rate: 0.001, latency: {p50_ms: 20, p99_ms: 90}}
          spike:
            error_code: 503
            latency: {buckets: {250: 0.5, 1000: 1.0}}
            stages: [{after_seconds: 20, error_rate: 0.4}]
        hosts:
          - host: podinfo
            namespace: test
            requests_per_second: 50
            default_profile: healthy
            releases: {6.1: spike, 6.2.0: healthy}
            headers: {x-user: insider}
            source: {workload: loadtester, namespace: test}
        """
    )
    (host,) = scenario.hosts
    assert host.releases == {"6.1": "spike", "6.2.0": "healthy"}
    assert host.source.workload == "loadtester"
    assert scenario.profiles["spike"].error_code == 503
    assert host.path == "/"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], ["mapping", "list"]),
        (a_scenario(requests_per_second=-1), ["hosts.0.requests_per_second", "-1", "0"]),
        (a_scenario(default_profile="odd"), ["default_profile", "odd", "healthy"]),
        (a_scenario(releases={"6.2.0": "odd"}), ["releases.6.2.0", "odd", "healthy"]),
        (a_scenario(rps=3), ["hosts.0.rps", "not permitted"]),
        (a_scenario(profile={"latency": {"p50_ms": 9, "p99_ms": 3}}), ["p99_ms 3", "p50_ms 9"]),
        (a_scenario(profile={"latency": {"buckets": {7: 1}}}), ["bound 7", "0.5, 1, 5"]),
        (a_scenario(profile={"latency": {"buckets": {5: 0.5}}}), ["end at 1"]),
        (a_scenario(profile={"latency": {"buckets": {5: 0.9, 10: 0.5, 25: 1}}}), ["rise"]),
        (a_scenario(profile={"latency": LATENCY, "error_rate": 2}), ["error_rate", "2", "1"]),
        (
            a_scenario(
                profile={
                    "latency": LATENCY,
                    "stages": [{"after_seconds": 9}, {"after_seconds": 3}],
                }
            ),
            ["stages", "ordered"],
        ),
    ],
)
def test_a_bad_scenario_is_refused_with_place_value_and_what_is_allowed(
    document: Any, words: list[str]
) -> None:
    """The message names the field and why; nothing falls back to a default."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_mapping(document)
    for word in words:
        assert word in str(caught.value)


def test_text_that_is_not_yaml_is_refused() -> None:
    """A syntax error is a scenario error, with the parser's place."""
    with pytest.raises(ScenarioError, match="not YAML"):
        Scenario.parse("profiles: [")


def test_stages_build_on_each_other() -> None:
    """A later stage keeps what an earlier one changed and it does not name."""
    slow = Percentiles(p50_ms=100, p99_ms=900)
    profile = Profile(
        latency=Percentiles(p50_ms=10, p99_ms=20),
        stages=(Stage(after_seconds=10, error_rate=0.5), Stage(after_seconds=20, latency=slow)),
    )
    assert profile.at(9.9).error_rate == 0
    assert profile.at(10).error_rate == 0.5
    assert profile.at(10).latency.model_dump() == {"p50_ms": 10, "p99_ms": 20}
    assert (profile.at(25).error_rate, profile.at(25).latency) == (0.5, slow)
