"""What real servers say of manifests that public articles have users paste.

Rows as in tests/scenarios/test_articles, where the rest of each is. That all other Canaries of the
articles are admitted as they stand is in test_crds.
"""

import copy
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from analysis import backends
from analysis.backends.backend import Access, Endpoint
from analysis.findings import Absent, Measurement
from analysis.judges import threshold
from analysis.metrics.checks import Check, CheckKind, checks_for
from analysis.verdicts import Effect, Reason, Verdict
from clients.clock import SystemClock
from config.validation import manifests
from sandbox.prometheus import PrometheusServer
from sandbox.promql import SeriesStore
from tests.services import prometheus as prometheus_service
from tests.services.control_plane import ControlPlane, Refused
from tests.stage import pasted

ARTICLE: Final = "articles/000-canary"


# --- Prometheus


@pytest.fixture(params=["sandbox", "real"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the sandbox's Prometheus, then of a real one."""
    if request.param == "real":
        yield request.getfixturevalue("prometheus").url
        return
    server = PrometheusServer(SeriesStore(), now=time.time).start()
    yield server.url
    server.stop()


def measured_at(url: str, metric: str) -> tuple[Check, Measurement]:
    """The article's own check of this name, and what a server at `url` says to it."""
    canary, endpoint = manifests.load_canary(pasted.canary(ARTICLE)), Endpoint(address=url)
    (check,) = (
        each
        for each in checks_for(canary, "istio", endpoint)
        if each.kind is CheckKind.QUERY and each.metric == metric
    )
    return check, backends.connect(endpoint, Access(SystemClock())).query(check.query)


def test_an_invalid_query_is_told_with_the_words_of_the_server(url: str) -> None:
    """Row 6: `… or 0` is a failed check that says what is wrong."""
    check, measured = measured_at(url, "request-success-rate")
    assert isinstance(measured, Absent)
    assert (measured.verdict, measured.reason) == (Verdict.ERROR, Reason.QUERY_REFUSED)
    told = threshold.judge(check, measured)
    assert told.effect is Effect.COUNTS
    assert told.message.startswith("Prometheus query failed for request-success-rate: ")
    assert "parse error: set operator " in told.message
    assert " not allowed in binary scalar expression" in told.message


def test_prometheus_says_where_an_invalid_query_is_wrong(
    prometheus: prometheus_service.Prometheus,
) -> None:
    """Row 6: line and character; the sandbox's parser knows no places."""
    _, measured = measured_at(prometheus.url, "request-success-rate")
    assert isinstance(measured, Absent)
    assert "1:1: parse error" in measured.message


def test_the_query_beside_it_is_one(url: str) -> None:
    """And has no data, where there is no traffic."""
    _, measured = measured_at(url, "request-duration")
    assert isinstance(measured, Absent)
    assert measured.verdict is Verdict.NO_DATA


# --- the API server


def _posted(plane: ControlPlane, path: str, manifest: dict[str, Any]) -> Refused:
    """Why the API server takes no such object, asked as kubectl does."""
    body = copy.deepcopy(manifest)
    body["metadata"].pop("namespace", None)
    with pytest.raises(Refused) as refusal:
        plane.request("POST", f"{path}?fieldValidation=Strict", body)
    return refusal.value


def test_a_key_with_a_capital_letter_is_refused_by_name(
    control_plane: ControlPlane, namespace: str
) -> None:
    """Row 14: `Match`, as the page prints it; without it, all users would meet the canary."""
    path = f"/apis/flagger.app/v1beta1/namespaces/{namespace}/canaries"
    refusal = _posted(control_plane, path, pasted.canary("articles/001-ab-testing"))
    assert refusal.status == 400
    assert 'unknown field "spec.canaryAnalysis.Match"' in str(refusal)


@pytest.mark.parametrize("version", ["v2beta1", "v2beta2"])
def test_removed_versions_of_autoscalers_are_gone(
    control_plane: ControlPlane, namespace: str, version: str
) -> None:
    """Row 15: the article's HPA has to be written anew; canaries that name the version have not."""
    hpa = pasted.documents("articles/000-deployment")[2]
    path = f"/apis/autoscaling/{version}/namespaces/{namespace}/horizontalpodautoscalers"
    gone = _posted(control_plane, path, {**hpa, "apiVersion": f"autoscaling/{version}"})
    assert gone.status == 404
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    body = {**hpa, "apiVersion": "autoscaling/v2", "metadata": {"name": f"hpa-{version}"}}
    assert control_plane.request("POST", path, body)["spec"]["maxReplicas"] == 4


def test_an_older_version_of_canaries_is_not_served(
    control_plane: ControlPlane, namespace: str
) -> None:
    """Row 14: `flagger.app/v1alpha3`; kubectl says that there is no such kind."""
    canary = {**pasted.canary("articles/001-backend"), "apiVersion": "flagger.app/v1alpha3"}
    path = f"/apis/flagger.app/v1alpha3/namespaces/{namespace}/canaries"
    assert _posted(control_plane, path, canary).status == 404


def test_the_columns_are_those_that_scripts_know(control_plane: ControlPlane) -> None:
    """Row 21: `kubectl get canaries`; one of ours comes after them."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaries.flagger.app"
    (version,) = control_plane.request("GET", path)["spec"]["versions"]
    shown = [
        each["name"].upper()
        for each in version["additionalPrinterColumns"]
        if not each.get("priority")
    ]
    assert shown == ["STATUS", "WEIGHT", "LASTTRANSITIONTIME", "ACCEPTED"]
