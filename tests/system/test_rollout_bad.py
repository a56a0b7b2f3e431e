"""Releases on a real API server that go wrong: rolled back at once, repaired, told as it was.

Not tested: faults of the metrics server itself (chaos).
"""

import itertools
import time
from datetime import datetime

from tests.system import manifests, meters
from tests.system.site import App, Site, canary_weight

AT_ONCE_SECONDS = 5
"""For a second where nothing else runs."""
GOOD = "registry.example/app:2"
BAD = "registry.example/app:bad"


def test_the_check_that_spends_the_last_unit_takes_the_traffic_back(site: Site) -> None:
    """D-60, D-37: the tick of the second failed check rolls back, and the route is 100/0 at once.

    Both failures are told with their numbers, then the end; the canary is scaled to zero.
    """
    app = _measured_badly_at_40(site, "spike")
    decided = next(entry for entry in app.timeline() if entry["phase"] == "Failed")
    assert (decided["phase"], decided["split"]) == ("Failed", "100/0")
    assert [check["verdict"] for check in decided["checks"]] == ["failed", "passed"]
    took = _back_at(app) - datetime.fromisoformat(decided["at"]).timestamp()
    assert took < AT_ONCE_SECONDS
    assert app.weights() == [0, 40, 0]
    failure = f"Halt spike.{site.namespace} advancement success rate 50.00% < 99%"
    said = app.messages("Warning")
    assert said[said.index(failure) :] == [
        failure,
        failure,
        f"Rolling back spike.{site.namespace} failed checks threshold reached 2",
        f"Canary failed! Scaling down spike.{site.namespace}",
    ]
    site.until(lambda: app.get("deployments")["spec"]["replicas"] == 0, "scaled to zero")
    assert app.image(primary=True) == "registry.example/app:1"
    condition = app.condition("Promoted")
    assert (condition["status"], condition["reason"]) == ("False", "Failed")
    spent = f"Rolling back spike.{site.namespace} failed checks threshold reached 2"
    failed = "Canary analysis failed, Deployment scaled to zero."
    assert condition["message"] == f"{failed} {failure}; {spent}"
    assert (app.status()["canaryWeight"], app.status()["failedChecks"]) == (0, 0)


def test_after_a_failure_a_revert_is_no_release_and_a_fix_is_one(site: Site) -> None:
    """D-5, D-95: reverted to stable stays Failed; the failed image again is tried; a fix goes on.

    In Failed nothing is written while nothing happens.
    """
    app = _measured_badly_at_40(site, "fixable")
    failed = app.get("canaries")["status"]
    app.release("registry.example/app:1")
    _settle(app)
    assert app.get("canaries")["status"]["lastTransitionTime"] == failed["lastTransitionTime"]
    assert app.status()["phase"] == "Failed"
    assert app.weights() == [0, 40, 0]

    with app.standing(BAD, 40):
        assert app.status()["phase"] == "Progressing"
    app.until("Failed")
    assert app.weights() == [0, 40, 0, 40, 0]

    site.meters.set("fixable", meters.HEALTHY)
    app.release(GOOD)
    app.until("Succeeded")
    assert app.image(primary=True) == GOOD
    assert app.weights() == [0, 40, 0, 40, 0, 40, 80, 0]


def test_a_slow_release_is_told_with_its_duration(site: Site) -> None:
    """request-duration over its maximum, printed as Go does: `900ms > 500ms`."""
    app = site.app("slow").deploy()
    site.meters.set("slow", meters.SLOW)
    app.release(BAD)
    app.until("Failed")
    failure = f"Halt slow.{site.namespace} advancement request duration 900ms > 500ms"
    assert app.messages().count(failure) == 2


def test_a_canary_that_never_becomes_ready_is_rolled_back_at_its_deadline(site: Site) -> None:
    """D-62: not retriable past progressDeadlineSeconds; told so, no traffic ever moved."""
    usual = manifests.a_canary("unready")["spec"]["progressDeadlineSeconds"]
    app = site.app("unready").deploy(manifests.a_canary("unready", progressDeadlineSeconds=3))
    site.pods.fail("unready")
    started = time.time()
    app.release(BAD)
    app.until("Failed", usual - 5)
    assert time.time() - started > 2
    cause = (
        "waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available"
    )
    assert app.messages("Warning")[-3:] == [
        f"canary deployment unready.{site.namespace} not ready: {cause}",
        f"Rolling back unready.{site.namespace} progress deadline exceeded {cause}",
        f"Canary failed! Scaling down unready.{site.namespace}",
    ]
    assert app.weights() == [0]
    site.until(lambda: app.get("deployments")["spec"]["replicas"] == 0, "scaled to zero")


def test_after_a_failed_promotion_the_canary_serves_until_the_primary_is_repaired(
    site: Site,
) -> None:
    """D-1, D-2, D-11, D-97: traffic never goes to a dead primary, not with the next fix either.

    The primary that cannot start the promoted revision leaves all traffic on the canary: Failed,
    weight 100. The next change goes to the primary first; traffic follows once it is ready.
    """
    name, ns = "dead", site.namespace
    deployment = manifests.a_deployment(name, progressDeadlineSeconds=2)
    app = site.app(name).deploy(deployment=deployment)
    site.pods.fail("dead-primary")
    app.release(GOOD)
    app.until("Failed")
    cause = 'deployment "dead-primary" exceeded its progress deadline'
    assert f"Promotion of dead.{ns} failed, primary not ready: {cause}" in app.messages("Warning")
    assert (app.status()["canaryWeight"], app.weight()) == (100, 100)
    assert app.get("deployments")["spec"]["replicas"] == 2
    assert app.weights() == [0, 40, 80, 100]

    app.release("registry.example/app:3")
    site.until(lambda: app.image(primary=True) == "registry.example/app:3", "repaired")
    assert app.weight() == 100
    site.pods.release("dead-primary")
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 100, 0]
    site.until(lambda: app.get("deployments")["spec"]["replicas"] == 0, "scaled to zero")


def _measured_badly_at_40(site: Site, name: str) -> App:
    """An application whose release was rolled back by its success rate, measured at 40 %."""
    app = site.app(name)
    app.deploy(manifests.a_canary(name, analysis={"webhooks": [app.a_hook()]}))
    with app.standing(BAD, 40):
        site.meters.set(name, meters.FAILING)
    return app.until("Failed")


def _back_at(app: App) -> float:
    """When the VirtualService was last seen to turn to weight 0, in seconds since the epoch."""
    seen = app.seen("virtualservices")
    turns = [
        now.at
        for before, now in itertools.pairwise(seen)
        if canary_weight(now.object) == 0 < canary_weight(before.object)
    ]
    return turns[-1]


def _settle(app: App) -> None:
    """Returns when the target equals its primary in Coalmine's eyes too."""
    app.site.until(
        lambda: any(entry["rule"] == "settle" for entry in app.timeline()), "the revert is seen"
    )
