"""A canary is deleted under load, in mid-rollout, and what it owned is collected afterwards.

Its route was its users' own before, and is again. Nobody here collects by owners: the test does,
the primary first, which is the order that hurts most. Not tested: what is written, and when
(tests/scenarios/test_deletion.py).
"""

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from tests.dataplane import traffic as rollouts
from tests.dataplane.traffic import PUSH_SECONDS, Rollout, Traffic
from tests.services import istio
from tests.services.cluster import Refused
from tests.system.site import App

NAME: Final = "leaving"
STEPS: Final = {"interval": "5s", "stepWeights": [50, 60]}
OWNED: Final = ("services", "virtualservices", "destinationrules")


def test_a_canary_that_is_deleted_in_mid_rollout_loses_no_request(traffic: Traffic) -> None:
    """Half of its users are at the canary, half at the primary, which goes with it."""
    app = traffic.site.app(NAME)
    for manifest in (_service(), _route(app)):
        app.apply(manifest)
    with traffic.application(NAME, STEPS, revertOnDeletion=True) as rollout:
        app.release(rollouts.GOOD)
        traffic.site.until(lambda: app.weight() == 50, f"{NAME} at weight 50")
        traffic.site.pause(PUSH_SECONDS)
        uid = app.get("canaries")["metadata"]["uid"]
        traffic.site.plane.request("DELETE", app.path("canaries"))
        traffic.site.until(lambda: _is_gone(app, "canaries", NAME), "the canary is gone")
        _collect(app, uid)
        left = time.time()
        traffic.site.pause(PUSH_SECONDS)
        rollout.assert_nothing_failed()
        _assert_served_by_the_target(rollout, left)


def _assert_served_by_the_target(rollout: Rollout, since: float) -> None:
    """Everybody has met the target since, in the revision that its users have applied."""
    samples = rollout.load.since(since)
    assert len(samples) > 100
    assert {(each.workload, each.revision) for each in samples} == {(NAME, "2")}


def _collect(app: App, uid: str) -> None:
    """Deletes what the canary owned, the primary first, with time for proxies to hear of each."""
    app.site.plane.request(
        "PATCH",
        app.path("deployments", f"{NAME}-primary"),
        {"spec": {"replicas": 0}},
        content_type="application/merge-patch+json",
    )
    app.site.pause(3.0)
    app.site.plane.request("DELETE", app.path("deployments", f"{NAME}-primary"))
    for path in list(_owned(app, uid)):
        app.site.plane.request("DELETE", path)
        app.site.pause(0.3)


def _owned(app: App, uid: str) -> Iterator[str]:
    """The paths of the objects that go with the canary."""
    for resource in OWNED:
        for name in (NAME, f"{NAME}-primary", f"{NAME}-canary"):
            if _is_gone(app, resource, name):
                continue
            owners = app.get(resource, name)["metadata"].get("ownerReferences") or ()
            if uid in {each["uid"] for each in owners}:
                yield app.path(resource, name)


def _is_gone(app: App, resource: str, name: str) -> bool:
    try:
        app.get(resource, name)
    except Refused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        return True
    return False


def _service() -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": 80}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": {"app": NAME}, "ports": [port]},
    }


def _route(app: App) -> dict[str, Any]:
    """As users write it who have no canary."""
    spec = {
        "hosts": [NAME, f"{NAME}.example.com"],
        "gateways": [f"{istio.HOME}/{istio.GATEWAY}"],
        "http": [{"route": [{"destination": {"host": NAME}}]}],
    }
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": NAME, "namespace": app.site.namespace},
        "spec": spec,
    }
