"""Rollouts in whose midst the target, the Canary or the route is changed by somebody else.

Not tested: the same with faults of the API server (chaos).
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

from tests.system import manifests
from tests.system.site import App, Site

SECOND = "registry.example/app:2"
THIRD = "registry.example/app:3"


def test_a_newer_revision_restarts_the_analysis_from_zero(site: Site) -> None:
    """Traffic 100/0 and counters 0 before the newest is analysed, and only that is promoted."""
    app = _with_a_hook(site, "again")
    with app.standing(SECOND, 40):
        app.release(THIRD)
        app.until_event(f"New revision detected! Restarting analysis for again.{site.namespace}")
    app.until("Succeeded")
    assert app.weights() == [0, 40, 0, 40, 80, 0]
    assert _images_of_primary(app) == ["registry.example/app:1", THIRD]


def test_a_change_at_the_moment_of_promotion_is_analysed_first(site: Site) -> None:
    """D-9: the target changes unseen by the watch, right before it would be copied.

    The last hook of the analysis freezes both beats, so that no watch tells, then changes the
    image and agrees. What the primary gets is what was analysed, never the change unseen.
    """
    app = site.app("swap")
    hook = {"name": "last", "url": site.receiver.url("/swap")}
    app.deploy(manifests.a_canary("swap", analysis={"webhooks": [hook]}))
    swapped = threading.Event()
    with contextlib.ExitStack() as frozen:

        def swap() -> None:
            if app.weight() == 80 and not swapped.is_set():
                for beat in ("beat-1", "beat-2"):
                    frozen.enter_context(site.processes.members[beat].paused())
                app.release(THIRD)
                swapped.set()

        site.receiver.meanwhile("/swap", swap)
        app.release(SECOND)
        site.until(swapped.is_set, "the image is changed behind the watch")
        site.until(lambda: app.timeline()[-1]["rule"] == "promote", "promotion is decided")
        time.sleep(1.5)  # a copy is asked for with the decision, and would be done by now
        assert app.image(primary=True) != THIRD
    app.until("Succeeded")
    assert _images_of_primary(app) == ["registry.example/app:1", THIRD]
    assert app.weights() == [0, 40, 80, 0, 40, 80, 0]


def test_a_revert_in_mid_analysis_calls_the_rollout_off(site: Site) -> None:
    """D-44: the target set back to the promoted revision is not "promoted"; traffic goes back."""
    app = _with_a_hook(site, "called-off")
    with app.standing(SECOND, 40):
        app.release("registry.example/app:1")
        app.until("Failed")
    assert app.weights() == [0, 40, 0]
    assert _images_of_primary(app) == ["registry.example/app:1"]


def test_edits_by_others_in_mid_rollout_cost_neither_weights_nor_fields(site: Site) -> None:
    """D-8, D-40, D-53: VirtualService, Deployment and Canary are edited all the time.

    Every write of ours meets a newer resourceVersion sooner or later; the rollout ends as it
    should, no weight outside of the plan is seen, and fields of others survive.
    """
    app = site.app("busy").deploy()
    with _edited(app):
        app.release(SECOND)
        app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]
    assert app.get("virtualservices")["spec"]["http"][0]["statPrefix"].startswith("edit-")
    assert app.get("canaries")["metadata"]["annotations"]["edited"].isdigit()
    assert app.image(primary=True) == SECOND


def test_a_timeout_changed_in_mid_rollout_keeps_the_weights(site: Site) -> None:
    """D-8: the route is rewritten for the new timeout with the weights that are meant now."""
    app = site.app("timeout").deploy(
        manifests.a_canary("timeout", service={"timeout": "5s"}, analysis={"interval": "2s"})
    )
    app.release(SECOND)
    app.until_weight(40)
    app.edit({"spec": {"service": {"timeout": "7s"}}})
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]
    assert app.get("virtualservices")["spec"]["http"][0]["timeout"] == "7s"


def test_a_route_edited_while_idle_is_put_right(site: Site) -> None:
    """D-43: somebody sends half of the users to a canary without pods; noticed by watching."""
    app = site.app("drift").deploy()
    weights = [
        {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 50},
        {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 50},
    ]
    app.change(weights, "virtualservices")
    site.until(lambda: app.weights() == [0, 50, 0], "put right")


def _with_a_hook(site: Site, name: str) -> App:
    """An application whose releases can be held."""
    app = site.app(name)
    return app.deploy(manifests.a_canary(name, analysis={"webhooks": [app.a_hook()]}))


@contextlib.contextmanager
def _edited(app: App) -> Iterator[None]:
    """The application's objects, each edited many times a second during the block."""
    ending = threading.Event()

    def edit() -> None:
        for number in itertools.count():
            field = {"op": "add", "path": "/spec/http/0/statPrefix", "value": f"edit-{number}"}
            app.change([field], "virtualservices")
            for resource in ("deployments", "canaries"):
                app.edit({"metadata": {"annotations": {"edited": str(number)}}}, resource)
            if ending.wait(0.05):
                return

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _images_of_primary(app: App) -> list[str]:
    """The images that the primary was ever told to run, each once in a row."""
    found: list[str] = []
    for sighting in app.seen("deployments", f"{app.name}-primary"):
        image = sighting.object["spec"]["template"]["spec"]["containers"][0]["image"]
        if found[-1:] != [image]:
            found.append(image)
    return found
