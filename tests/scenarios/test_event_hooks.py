"""Webhooks of type `event`: each event of the canary, in order, at least once, in nobody's way."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.findings import HookResult
from analysis.hooks import HookCall
from clients import urls
from config.settings.settings import Settings
from tests.fakes import memory_redis
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


TOKEN: Final = "T0k3n"
GLOBAL: Final = Settings.from_environ({"EVENT_WEBHOOK_URL": f"https://chat.sre/{TOKEN}?{TOKEN}"})


class Bot(measuring.Hooks):
    """A chat bot that is told what happens to all canaries."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[HookCall] = []

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer of a hook; a refusal quotes the URL as `clients.http` does."""
        result = super().post(call, is_wanted)
        self.heard += [call] if result.ok else []
        message = f"POST {urls.redacted(call.url)} giving up after 1 attempt(s)"
        return result if result.ok else replace(result, message=message)


def test_the_events_of_a_canary_without_a_hook_of_its_own_go_to_the_global_one() -> None:
    """Webhooks 2, "Event webhook": default timeout, no retries, no metadata but the event's."""
    stage = initialized(a_manifest(), Stage(poster=(bot := Bot()), settings=GLOBAL))
    stage.release("cart:2")
    rollouts.finish(stage)
    rollouts.succeeded(stage)
    assert [call.body["metadata"]["eventMessage"] for call in bot.heard] == stage.texts()
    assert {call.url for call in bot.heard} == {f"https://chat.sre/{TOKEN}?{TOKEN}"}
    assert {(call.timeout, call.retries, call.verify_tls) for call in bot.heard} == {
        (timedelta(seconds=10), 0, True)
    }
    assert {tuple(call.body["metadata"]) for call in bot.heard} == {
        ("eventMessage", "eventType", "timestamp")
    }
    assert not stage.store.undelivered(REF).notices


def test_a_canary_with_a_hook_of_its_own_does_not_use_the_global_one() -> None:
    """Webhooks 2: "If a Canary has at least one, the global URL is not used for it"."""
    stage = Stage(poster=(bot := Bot()), settings=GLOBAL)
    initialized(a_manifest(webhooks=LISTENERS[:1]), stage)
    assert {call.url for call in bot.heard} == {"http://log.shop/"}
    assert [call.body["metadata"]["eventMessage"] for call in bot.heard] == stage.texts()


def test_the_url_of_the_global_hook_is_nowhere_to_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is that of a chat, with its token; also when the chat is down, and told later."""
    caplog.set_level("DEBUG")
    bot = Bot()
    bot.refusing = {"event-webhook"}
    stage = initialized(a_manifest(), Stage(poster=bot, settings=GLOBAL))
    assert not bot.heard
    assert "event hook event-webhook: POST" in repr([vars(each) for each in caplog.records])
    kept = [repr(memory_redis.copied(stage.redis)), *stage.texts(), repr(stage.status)]
    kept += [repr(vars(each)) for each in caplog.records]
    assert not [text for text in kept if TOKEN in text]

    bot.refusing = set()
    stage.wait(timedelta(minutes=12))
    assert [call.body["metadata"]["eventMessage"] for call in bot.heard] == stage.texts()
