"""Webhooks of type `event`: each event of the canary, in order, at least once, in nobody's way."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from analysis.findings import HookResult
from analysis.hooks import HookCall
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

LISTENERS: Final = [
    {"name": name, "type": "event", "url": f"http://{name}.shop/", "metadata": {"for": name}}
    for name in ("log", "chat")
]


class Listeners(measuring.Hooks):
    """Webhooks that keep what they are sent."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, list[Mapping[str, Any]]] = {"log": [], "chat": []}

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer of a hook."""
        result = super().post(call, is_wanted)
        if result.ok and call.name in self.heard:
            self.heard[call.name].append(call.body)
        return result

    def messages(self, name: str) -> list[str]:
        """What one of them was told."""
        return [body["metadata"]["eventMessage"] for body in self.heard[name]]


def staged(**analysis: Any) -> tuple[Stage, Listeners]:
    """An initialized canary with two listeners."""
    listeners = Listeners()
    stage = Stage(poster=listeners)
    initialized(a_manifest(webhooks=LISTENERS, **analysis), stage)
    return stage, listeners


def test_every_event_is_posted_in_order_and_once() -> None:
    """To each of them the same that Kubernetes shows, with the phases of Flagger."""
    stage, listeners = staged()
    stage.release("cart:2")
    rollouts.finish(stage)
    rollouts.succeeded(stage)
    assert listeners.messages("log") == listeners.messages("chat") == stage.texts()
    phases = {body["metadata"]["eventMessage"]: body["phase"] for body in listeners.heard["log"]}
    assert phases["New revision detected! Scaling up cart-app.shop"] == "Progressing"
    assert phases["Advance cart.shop canary weight 20"] == "Progressing"
    assert phases["Copying cart-app.shop template spec to cart-app-primary.shop"] == "Progressing"
    assert phases["Promotion completed! Scaling down cart-app.shop"] == "Succeeded"
    assert {body["metadata"]["for"] for body in listeners.heard["chat"]} == {"chat"}
    assert not stage.store.undelivered(REF).notices


def test_a_listener_that_is_down_delays_nobody_and_is_told_when_it_is_back() -> None:
    """Neither the rollout, nor the events, nor the other listener."""
    stage, listeners = staged()
    listeners.refusing = {"chat"}
    stage.release("cart:2")
    began = stage.clock.now()
    rollouts.at_weight(stage, 60)
    assert stage.clock.now() - began <= timedelta(seconds=75)
    known = listeners.messages("chat")
    assert listeners.messages("log") == stage.texts()

    listeners.refusing = set()
    rollouts.finish(stage)
    assert listeners.messages("chat") == stage.texts()
    assert len(known) < len(stage.texts())
    assert not stage.store.undelivered(REF).notices


def test_what_was_told_last_is_told_although_nothing_happens_any_more() -> None:
    """A canary at rest is looked at, and what is left untold is told then."""
    stage, listeners = staged()
    stage.release("cart:2")
    rollouts.at_weight(stage, 60)
    listeners.refusing = {"chat"}
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    listeners.refusing = set()
    stage.wait(timedelta(minutes=12))
    assert listeners.messages("chat") == stage.texts()


def test_a_lost_message_loses_no_event() -> None:
    """The next look asks for it again."""
    stage, listeners = staged()
    stage.losing = {"call"}
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    assert "Advance cart.shop canary weight 20" not in listeners.messages("log")
    stage.losing = set()
    rollouts.finish(stage)
    assert listeners.messages("log") == stage.texts()


def test_events_that_are_older_than_an_hour_are_given_up() -> None:
    """A receiver that is gone for good holds nothing up for ever."""
    stage, listeners = staged()
    listeners.refusing = {"chat", "log"}
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    stage.wait(timedelta(minutes=80))
    assert not stage.store.undelivered(REF).notices
    assert not [text for text in listeners.messages("chat") if "Advance" in text]


def test_a_rollback_hook_is_asked_beside_a_listener_that_is_down() -> None:
    """What decides goes on."""
    webhooks = [*LISTENERS, {"name": "off", "type": "rollback", "url": "http://off.shop/"}]
    listeners = Listeners()
    listeners.refusing = {"log", "chat"}
    stage = initialized(a_manifest(webhooks=webhooks), Stage(poster=listeners))
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
