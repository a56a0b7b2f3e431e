"""Releases measured by a real Prometheus, and manifests that are refused beside good ones.

Tested here: queries, windows and verdicts over scraped counters; several kinds of bad manifests
next to a rollout that must not notice. Every kind of bad manifest: tests/unit/config.
"""

import time
from typing import Any

import pytest

from tests.services.cluster import Refused
from tests.services.prometheus import MetricsEndpoint, Prometheus
from tests.system import manifests, telemetry
from tests.system.manifests import Manifest
from tests.system.site import App, Site

SECOND = "registry.example/app:2"
QUERY = 'sum(rate(istio_requests_total{{destination_workload="{name}",response_code="200"}}[10s]))'


def test_a_good_release_is_promoted_by_what_prometheus_measures(
    site: Site, prometheus: Prometheus, metrics_endpoint: MetricsEndpoint
) -> None:
    """Both built-in checks and an inline query, each with the value it was judged by.

    Some 50 requests a second are good: 100 %, and the query sees their rate.
    """
    app = _measured_by(prometheus, site.app("scraped"))
    with telemetry.reported(metrics_endpoint, site.namespace, "scraped"):
        _until_measurable(site, prometheus, "scraped")
        app.release(SECOND)
        app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]
    promoted = next(entry for entry in app.timeline() if entry["phase"] == "Promoting")
    values = {check["metric"]: check["value"] for check in promoted["checks"]}
    assert values["request-success-rate"] == 100
    assert 0 < values["request-duration"] <= 25
    assert 1 < values["good-requests"] < 100


def test_an_error_spike_is_rolled_back_by_what_prometheus_measures(
    site: Site, prometheus: Prometheus, metrics_endpoint: MetricsEndpoint
) -> None:
    """The canary's own requests fail: the success rate falls below 99 % within the window."""
    app = _measured_by(prometheus, site.app("spiky"))
    with telemetry.reported(metrics_endpoint, site.namespace, "spiky") as requests:
        _until_measurable(site, prometheus, "spiky")
        app.release(SECOND)
        app.until_weight(40)
        requests.fail()
        app.until("Failed")
    expected = ([0, 40, 0], [0, 40, 80, 0])
    site.until(lambda: app.weights() in expected, "back at the primary")
    assert "advancement success rate" in app.messages("Warning")[-3]
    assert app.image(primary=True) == "registry.example/app:1"


def test_a_release_without_traffic_is_not_promoted(site: Site, prometheus: Prometheus) -> None:
    """Nothing was scraped of it: no values cost a failed check each, and the text says why."""
    app = _measured_by(prometheus, site.app("unvisited"))
    app.release(SECOND)
    app.until("Failed")
    text = (
        "Halt advancement no values found for istio metric request-success-rate probably "
        f"unvisited.{site.namespace} is not receiving traffic: "
        "running query failed: no values found"
    )
    assert app.messages("Warning").count(text) == 2


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        (
            "both-strategies",
            {"analysis": {"iterations": 3}},
            ("spec.analysis",),  # the schema's oneOf names no more than that
        ),
        ("bad-duration", {"analysis": {"interval": "5minutes"}}, (".interval", "5minutes")),
        (
            "falling-steps",
            {"analysis": {"stepWeight": None, "maxWeight": None, "stepWeights": [20, 10]}},
            ("spec.analysis.stepWeights", "20"),
        ),
        ("odd-provider", {"provider": "kuma"}, ("spec.provider", "kuma", "istio")),
    ],
)
def test_a_manifest_that_cannot_be_carried_out_says_so_and_heals_when_fixed(
    site: Site, name: str, changed: dict[str, Any], told: tuple[str, ...]
) -> None:
    """D-19, D-90, D-93, D-94: condition and Warning name field, value and what is allowed.

    Where the schema refuses it already, the API server says so to whoever applies it.
    """
    app = site.app(name)
    app.apply(manifests.a_deployment(name))
    try:
        app.apply(_without_nulls(manifests.a_canary(name, **changed)))
    except Refused as refusal:
        message = str(refusal)
        assert all(word in message for word in told), message
    else:
        site.until(lambda: app.condition("Accepted").get("status") == "False", "refused")
        assert all(word in app.condition("Accepted")["message"] for word in told)
        site.until(
            lambda: any(all(word in text for word in told) for text in app.messages("Warning")),
            "told",
        )
        assert not app.status().get("phase")
    app.apply(manifests.a_canary(name))
    app.until("Initialized")
    site.until(lambda: app.condition("Accepted").get("status") != "False", "accepted")


def test_a_canary_without_its_target_waits_for_it(site: Site) -> None:
    """The missing Deployment is named; creating it is all that is needed."""
    app = site.app("early")
    app.apply(manifests.a_canary("early"))
    app.until_event(f"early.{site.namespace} not found")
    app.apply(manifests.a_deployment("early"))
    app.until("Initialized")


def test_the_second_canary_of_a_target_is_refused_naming_the_first(site: Site) -> None:
    """D-91: condition and Warning; the first goes on, and when it goes the second takes over."""
    first = site.app("owner").deploy()
    second = site.app("rival")
    second.apply(manifests.a_canary("rival", target="owner", service={"name": "rival"}))
    second.until_event(f"{site.namespace}/owner")
    site.until(lambda: second.condition("Accepted").get("status") == "False", "shown")
    assert second.condition("Accepted")["reason"] == "TargetConflict"
    first.release(SECOND)
    first.until("Succeeded")
    assert not second.status().get("phase")
    assert second.weights() == []


def test_a_bad_edit_in_mid_rollout_holds_it_until_it_is_mended(site: Site) -> None:
    """Traffic stays where it is; the edit is told, and mended by another edit."""
    app = site.app("edited")
    app.deploy(manifests.a_canary("edited", analysis={"webhooks": [app.a_hook()]}))
    with app.standing(SECOND, 40):
        app.edit({"spec": {"analysis": {"stepWeights": [30, 20], "stepWeight": None}}})
        site.until(lambda: app.condition("Accepted").get("status") == "False", "refused")
    site.until(lambda: app.condition("Waiting").get("reason") == "NotAccepted", "held")
    assert app.condition("Accepted")["status"] == "False"
    assert app.weights() == [0, 40]
    app.edit({"spec": {"analysis": {"stepWeights": None, "stepWeight": 40}}})
    site.until(lambda: app.condition("Accepted")["status"] == "True", "accepted again")
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]


def _measured_by(prometheus: Prometheus, app: App) -> App:
    query = {
        "name": "good-requests",
        "interval": "10s",
        "thresholdRange": {"min": 1},
        "query": QUERY.format(name=app.name),
    }
    metrics = [manifests.SUCCESS_RATE, manifests.DURATION, query]
    return app.deploy(manifests.a_canary(app.name, metrics=metrics, metricsServer=prometheus.url))


def _until_measurable(site: Site, prometheus: Prometheus, name: str) -> None:
    query = QUERY.format(name=name)
    site.until(lambda: bool(prometheus.query(query)["result"]), "the counters are scraped")
    time.sleep(1)


def _without_nulls(canary: Manifest) -> Manifest:
    spec = canary["spec"]
    kept = {key: value for key, value in spec["analysis"].items() if value is not None}
    return {**canary, "spec": {**spec, "analysis": kept}}
