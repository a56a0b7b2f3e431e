"""The demo's pure parts: its manifests, what counts as the right end, what people read."""

import dataclasses
import io
from datetime import timedelta
from typing import Any, Final

import pytest
from rich.console import Console

from cli.console import layout
from cli.console.checks import Check
from cli.demo import scene, story, view
from cli.demo.scene import Ending, Standing
from cli.demo.story import ACTS, Act
from config import names
from config.api.canary import Canary
from config.validation import hints, manifests, support
from sandbox.__main__ import scenario_text
from sandbox.controllers import pods
from sandbox.mesh import Scenario
from tasks.registries import BUILT_IN

PROMOTED, FAILING, SLOW = ACTS
FAILED: Final = Check("request-success-rate", "failed", value=82.25, unit="%", minimum=99)


def canary_of(act: Act) -> Canary:
    """The Canary manifest of an act, read as the controller reads it."""
    (raw,) = (each for each in act.manifests() if each["kind"] == "Canary")
    return manifests.load_canary(raw)


def an_event(message: str, kind: str = "Normal") -> dict[str, Any]:
    """An event with this text."""
    at = "2026-01-01T00:00:00Z"
    return {"metadata": {"name": message}, "type": kind, "message": message, "lastTimestamp": at}


def an_end(act: Act, **changes: Any) -> Standing:
    """How an act stands when it ended as it should."""
    halt = f"Halt {act.ref.name}.{act.ref.namespace} advancement {act.cause} 1 < 2"
    warnings = [an_event(halt, "Warning")] if act.cause else []
    events = (*warnings, an_event(f"{act.last_event} 3"))
    return dataclasses.replace(Standing(act, phase=act.phase, events=events), **changes)


def an_ending(act: Act, **changes: Any) -> Ending:
    """What the cluster holds when an act ended as it should."""
    weights = {f"{act.ref.name}-primary": 100, f"{act.ref.name}-canary": 0}
    return dataclasses.replace(Ending(act.image, weights), **changes)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: str(act.ref))
def test_the_manifests_are_carried_out_whole_and_without_a_warning(act: Act) -> None:
    """Nothing in what the demo shows is ignored, misread or refused."""
    canary = canary_of(act)

    assert support.not_carried_out(canary, "istio", BUILT_IN.carried_out) == ()
    assert hints.warnings(canary, timedelta(seconds=2)) == ()
    assert names.primary_workload(canary) == f"{act.ref.name}-primary"


@pytest.mark.parametrize("act", ACTS, ids=lambda act: str(act.ref))
def test_a_release_changes_the_image_and_nothing_else(act: Act) -> None:
    """As `kubectl set image` does."""
    (deployment,) = (each for each in act.manifests() if each["kind"] == "Deployment")
    (before,) = deployment["spec"]["template"]["spec"]["containers"]
    (after,) = act.release()["spec"]["template"]["spec"]["containers"]

    assert before["image"] == act.old_image
    assert after == {**before, "image": act.new_image}


def test_the_scenario_misbehaves_in_the_bad_releases_alone() -> None:
    """Traffic knows each application, and the profile of each release that is bad."""
    hosts = {host.namespace: host for host in Scenario.parse(scenario_text(None)).hosts}

    assert {act.ref.namespace: act.ref.name for act in ACTS} == {
        namespace: host.host for namespace, host in hosts.items()
    }
    for act in ACTS:
        releases = hosts[act.ref.namespace].releases
        assert (story.tag(act.new_image) in releases) is not act.promoted
        assert story.tag(act.old_image) not in releases


@pytest.mark.parametrize("act", ACTS, ids=lambda act: str(act.ref))
def test_the_right_end_has_no_faults(act: Act) -> None:
    """Phase, image, weights and events as the story says."""
    assert scene.faults(an_end(act), an_ending(act)) == ()


@pytest.mark.parametrize(
    ("standing", "ending", "about"),
    [
        (an_end(FAILING, phase="Succeeded"), an_ending(FAILING), "phase is Succeeded"),
        (an_end(FAILING), an_ending(FAILING, primary_image=FAILING.new_image), "primary runs"),
        (an_end(FAILING), an_ending(FAILING, weights={"checkout-primary": 90}), "weights are"),
        (an_end(FAILING), an_ending(FAILING, weights=None), "weights are None"),
        (an_end(FAILING, events=an_end(FAILING).events[:1]), an_ending(FAILING), "no event"),
        (an_end(FAILING, events=an_end(FAILING).events[1:]), an_ending(FAILING), "no warning"),
        (
            an_end(PROMOTED, events=(*an_end(PROMOTED).events, an_event("Halt x", "Warning"))),
            an_ending(PROMOTED),
            "held up",
        ),
    ],
)
def test_each_wrong_end_is_told(standing: Standing, ending: Ending, about: str) -> None:
    """The exit code of the demo is worth something."""
    (fault,) = scene.faults(standing, ending)

    assert about in fault


def test_why_is_what_the_last_failed_check_said() -> None:
    """The summary names the number and the bound."""
    events = (
        an_event("Halt checkout.payments advancement success rate 69.17% < 99%", "Warning"),
        an_event("Halt checkout.payments advancement success rate 61.39% < 99%", "Warning"),
    )

    assert scene.why(Standing(FAILING, events=events)) == "success rate 61.39% < 99%"
    assert scene.why(an_end(PROMOTED)) == ""


@pytest.mark.parametrize(("weight", "filled"), [(0, 0), (10, 2), (50, 8), (100, 16)])
def test_the_bar_is_as_long_as_the_weight(weight: int, filled: int) -> None:
    """Sixteen characters are all the traffic."""
    text = layout.bar(weight).plain

    assert text.count("█") == filled
    assert text.endswith(f"{weight}%")


def test_the_live_view_needs_no_more_than_80_columns() -> None:
    """Everything but long event texts is readable on the smallest terminal."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    checks = (FAILED, dataclasses.replace(FAILED, verdict="passed"))
    end = an_end(FAILING, weight=100, failed_checks=2, threshold=3, checks=checks)
    with view.showing(console, live=True) as show:
        show("x", 1, [end])
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()

    for part in (
        "payments/checkout",
        "1.9.2 → 2.0.0",
        "Failed",
        "100%",
        "2/3 failed",
        "✓ success  82.25%",
    ):
        assert part in shown


def test_plain_output_tells_each_event_once() -> None:
    """A log of the demo has no repetitions."""
    console = Console(file=io.StringIO(), width=80)
    with view.showing(console, live=False) as show:
        for seconds in (1.0, 2.0):
            show("released", seconds, [an_end(FAILING)])
    assert isinstance(console.file, io.StringIO)

    assert console.file.getvalue().splitlines() == [
        "   1.0s  released",
        f"   1.0s  {FAILING.ref}  Warning  Halt checkout.payments advancement success rate 1 < 2",
        f"   1.0s  {FAILING.ref}  Normal   failed checks threshold reached 3",
    ]


def test_the_summary_says_how_many_ended_well() -> None:
    """A fault is printed under its canary, and counted."""
    console = Console(file=io.StringIO(), width=80)
    good = view.Result(an_end(PROMOTED), 12.0, ())
    bad = view.Result(an_end(SLOW), 10.0, ("weights are None",))
    view.summary(console, [good, bad], 30.0)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()

    assert "1 of 2 ended as they should, after 30 s" in text
    assert "weights are None" in text


def test_every_bad_release_that_is_suggested_is_bad() -> None:
    """The sandbox's traffic or its pods make it so, whatever else is said of it."""
    (host,) = (each for each in Scenario.parse(scenario_text(None)).hosts if each.host == "podinfo")
    failing = {release for release, profile in host.releases.items() if profile != "healthy"}
    crashing = {tag for tag in story.BAD_TAGS if tag.endswith((pods.CRASH, pods.NO_SUCH_IMAGE))}
    assert failing | crashing == set(story.BAD_TAGS)
    assert len(crashing) == 2
