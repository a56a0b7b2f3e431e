"""Releases on a real API server with webhooks of every type, and without a mesh.

Expected payloads, texts and orders are the reference's (webhooks 1 and 2, lifecycle 10.3 and 22).
Left to other files: what each answer leads to (tests/scenarios/test_gates, test_hooks), and the
objects of weights (test_rollout_good).
"""

import threading
from typing import Any, Final

import pytest

from tests.system import manifests, meters
from tests.system.site import App, Site

GATES: Final = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion")
TYPES: Final = (*GATES, "pre-rollout", "rollout", "rollback", "post-rollout", "event")
CLOSED: Final = 403


def hooks(site: Site, name: str) -> list[dict[str, Any]]:
    """A webhook of each type, at a path of its own; the gates are closed, nothing is called off."""
    for kind in (*GATES, "rollback"):
        site.receiver.tell(f"/{name}/{kind}", CLOSED)
    return [
        {
            "name": kind,
            "type": kind,
            "url": site.receiver.url(f"/{name}/{kind}"),
            "metadata": {"for": name},
        }
        for kind in TYPES
    ]


def open_gate(app: App, kind: str) -> None:
    """Somebody opens a gate."""
    app.site.receiver.tell(f"/{app.name}/{kind}", 200)


def until_asked(app: App, phase: str) -> None:
    """Returns once the application was in `phase` and its rollback hook was asked there."""
    path = f"/{app.name}/rollback"
    app.site.until(
        lambda: phase in {call["phase"] for call in app.site.receiver.got(path)},
        f"the rollback hook of {app.name} is asked in {phase}",
    )


@pytest.fixture(scope="module")
def gated(site: Site) -> App:
    """A release by weights that waited at each gate, and was promoted."""
    canary = manifests.a_canary("gated", analysis={"webhooks": hooks(site, "gated")})
    app = site.app("gated").deploy(canary)
    app.release("registry.example/app:2")
    until_asked(app, "Waiting")
    open_gate(app, "confirm-rollout")
    app.until_event("waiting for traffic increase approval")
    open_gate(app, "confirm-traffic-increase")
    until_asked(app, "WaitingPromotion")
    open_gate(app, "confirm-promotion")
    return app.until("Succeeded")


def test_each_gate_holds_the_release_and_lets_it_go(gated: App) -> None:
    """Every event since the change, in order, letter by letter."""
    said, ns = gated.messages(), gated.site.namespace
    halt = f"Halt gated.{ns} advancement waiting for"
    begun = said.index(f"Initialization done! gated.{ns}") + 1
    assert said[begun:] == [
        f"{halt} approval confirm-rollout",
        "Confirm-rollout check confirm-rollout passed",
        f"New revision detected! Scaling up gated.{ns}",
        "Rollback hook rollback not signaling a rollback",
        f"Starting canary analysis for gated.{ns}",
        "Pre-rollout check pre-rollout passed",
        f"{halt} traffic increase approval confirm-traffic-increase",
        "Confirm-traffic-increase check confirm-traffic-increase passed",
        f"Advance gated.{ns} canary weight 40",
        "Confirm-traffic-increase check confirm-traffic-increase passed",
        f"Advance gated.{ns} canary weight 80",
        "Confirm-traffic-increase check confirm-traffic-increase passed",
        f"{halt} promotion approval confirm-promotion",
        "Confirm-promotion check confirm-promotion passed",
        f"Copying gated.{ns} template spec to gated-primary.{ns}",
        "Routing all traffic to primary",
        "Post-rollout check post-rollout passed",
        f"Promotion completed! Scaling down gated.{ns}",
    ]
    assert gated.weights() == [0, 40, 80, 0]


PHASES: Final = {
    "confirm-rollout": {"Initialized", "Waiting"},
    "pre-rollout": {"Progressing"},
    "rollout": {"Progressing"},
    "confirm-traffic-increase": {"Progressing"},
    "confirm-promotion": {"Progressing"},
    "rollback": {"Waiting", "Progressing", "WaitingPromotion"},  # *here* in Waiting too (D-63)
    "post-rollout": {"Succeeded"},
}


@pytest.mark.parametrize("kind", PHASES)
def test_each_type_is_posted_its_payload(gated: App, kind: str) -> None:
    """Name, namespace, phase, checksum and the metadata of the manifest: no field more or less."""
    calls = gated.site.receiver.got(f"/gated/{kind}")
    who = {"name": "gated", "namespace": gated.site.namespace, "metadata": {"for": "gated"}}
    varying = ("phase", "checksum")
    assert all(call == {**who, **{key: call[key] for key in varying}} for call in calls)
    (mark,) = {call["checksum"] for call in gated.site.receiver.got("/gated/rollout")}
    assert {call["checksum"] for call in calls} == {mark}  # also before the rollout: its revision
    assert set(mark) <= set("456789bcdf")
    assert {call["phase"] for call in calls} == PHASES[kind]


def test_event_hooks_are_posted_every_event_in_order(gated: App) -> None:
    """With type and time beside the metadata of the manifest."""
    calls = gated.site.receiver.got("/gated/event")
    told = [(each["metadata"]["eventType"], each["metadata"]["eventMessage"]) for each in calls]
    assert told == gated.events()
    assert {frozenset(each["metadata"]) for each in calls} == {
        frozenset({"for", "eventType", "eventMessage", "timestamp"})
    }


@pytest.mark.parametrize("signals", [False, True], ids=["bad checks", "its answer"])
def test_a_rollback_hook_that_hangs_keeps_no_release_from_its_end(
    site: Site, *, signals: bool
) -> None:
    """Failed checks count meanwhile; without any, no step is taken before its answer, which counts.

    The first of its calls, before the first step, is answered at once.
    """
    name, answered = f"hung-{signals}".lower(), threading.Event()
    path = f"/{name}/rollback"

    def hang() -> None:
        if len(site.receiver.got(path)) > 1:
            answered.wait()

    webhooks = [each for each in hooks(site, name) if each["type"] == "rollback"]
    site.receiver.meanwhile(path, hang)
    slow = [{**webhooks[0], "timeout": "2m"}]
    app = site.app(name).deploy(manifests.a_canary(name, analysis={"webhooks": slow}))
    app.release("registry.example/app:2")
    try:
        app.until_weight(40)
        site.until(lambda: len(site.receiver.got(path)) == 2, "the hook is asked")
        if signals:
            app.until_event("no answer to the rollback webhooks")
            site.receiver.tell(path, 200)
            answered.set()
        else:
            site.meters.set(name, meters.FAILING)
        app.until("Failed")
    finally:
        answered.set()
    cause = "manual webhook invoked" if signals else "failed checks threshold reached 2"
    assert f"Rolling back {name}.{site.namespace} {cause}" in app.messages()
    assert (app.weights(), len(site.receiver.got(path))) == ([0, 40, 0], 2)


def test_a_release_without_a_mesh_is_called_off_by_its_rollback_hook(site: Site) -> None:
    """Provider kubernetes: iterations, no route; the apex Service never leaves the primary."""
    webhooks = [each for each in hooks(site, "plain") if each["type"] == "rollback"]
    canary = manifests.a_canary("plain", provider="kubernetes")
    analysis = {"interval": "1s", "threshold": 2, "iterations": 90, "webhooks": webhooks}
    canary["spec"]["analysis"] = analysis
    app = site.app("plain").deploy(canary)
    app.release("registry.example/app:2")
    app.until_event("Advance plain")
    open_gate(app, "rollback")
    app.until("Failed")
    ns = site.namespace
    assert app.messages()[-3:] == [
        "Rollback check rollback passed",
        f"Rolling back plain.{ns} manual webhook invoked",
        f"Canary failed! Scaling down plain.{ns}",
    ]
    assert f"Advance plain.{ns} canary iteration 1/90" in app.messages()
    assert app.seen("virtualservices") == []
    assert app.get("services")["spec"]["selector"] == {"app": "plain-primary"}
    assert app.image(primary=True) == "registry.example/app:1"
    site.until(lambda: app.get("deployments")["spec"]["replicas"] == 0, "scaled to zero")
