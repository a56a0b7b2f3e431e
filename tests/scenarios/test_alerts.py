"""Alerts of whole rollouts: what is told, to whom, and what of it survives outages and deaths.

The formats are tests/unit/notify's business, real receivers are tests/contract's.
"""

import base64
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeVar

import pytest

from clients import errors
from clients.clock import SystemClock
from clients.documents.notice import Untold
from clients.http.client import Response
from clients.kube import resources
from clients.redis import keys
from clients.redis.scripts import Invocation
from config.settings.settings import Settings
from notify.message import Post
from tasks.alerting import AlertChannels
from tasks.audience import Audience
from tasks.delivery import Delivery
from tasks.receivers import Receivers
from tasks.sending import HttpSender
from tasks.teller import NotYet
from tests.fakes import memory_redis
from tests.scenarios.test_gates import phase
from tests.stage import chats, fleet, measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, alerting_by, initialized
from tests.stores import DirectStore
from tests.unit.analysis.worlds import a_manifest
from tests.unit.notify.notices import a_notice

T = TypeVar("T")

SLACK: Final = "https://hooks.slack.example/T0/B0/s3cr3t"
TEAMS: Final = "https://teams.example/t0k3n"
GLOBAL: Final = Settings.from_environ({"SLACK_URL": SLACK, "COALMINE_SLACK_CHANNEL": "releases"})
BOTH: Final = Settings.from_environ(
    {"SLACK_URL": SLACK, "COALMINE_SLACK_CHANNEL": "releases", "MSTEAMS_URL": TEAMS}
)

INITIALIZED: Final = "New Deployment detected, initialization completed."
NEW: Final = "New revision detected, progressing canary analysis."
PROMOTED: Final = "Canary analysis completed successfully, promotion finished."
SPENT: Final = "Failed checks threshold reached 3"


def staged(settings: Settings = GLOBAL, **analysis: Any) -> Stage:
    """An initialized canary."""
    return initialized(a_manifest(**analysis), Stage(settings=settings))


def a_provider(name: str = "chat", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    """An AlertProvider."""
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "AlertProvider",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "slack", "channel": "team", **spec},
    }


def a_secret(name: str = "chat-url", namespace: str = "shop", **texts: str) -> dict[str, Any]:
    """A Secret with these texts."""
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def provided(*objects: dict[str, Any], settings: Settings = GLOBAL, **alert: Any) -> Stage:
    """An initialized canary that alerts by the AlertProvider `chat`, beside these objects."""
    stage = Stage(settings=settings)
    for each in objects:
        is_secret = each["kind"] == "Secret"
        stage.create(resources.SECRETS if is_secret else resources.ALERT_PROVIDERS, each)
    entry = {"name": "team", "providerRef": {"name": "chat"}, **alert}
    return initialized(a_manifest(alerts=[entry]), stage)


def fail(stage: Stage) -> Stage:
    """`stage`, on which the next release was rolled back for its metrics."""
    stage.meters.source = measuring.failing
    stage.release("cart:2")
    rollouts.finish(stage)
    rollouts.rolled_back(stage)
    return stage


# --- what is told


def test_a_good_rollout_is_told_in_flaggers_words() -> None:
    """Webhooks 4, the table: two infos with fields, and one without; the image is ours."""
    stage = staged()
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.chats.texts(SLACK) == [INITIALIZED, NEW, PROMOTED]
    fields = [list(each.fields.items()) for each in stage.chats.to(SLACK)]
    flaggers = [
        ("Target", "Deployment/cart-app.shop"),
        ("Failed checks threshold", "3"),
        ("Progress deadline", "600s"),
        ("Traffic routing", "Weight step: 20 max: 60"),
    ]
    assert fields[:2] == [[*flaggers, ("Image", "cart:1")], [*flaggers, ("Image", "cart:2")]]
    assert [title for title, _ in fields[2]] == ["Image", "Duration"]
    assert not stage.store.undelivered(REF).notices


def test_a_bad_rollout_tells_what_failed_and_who_has_met_it() -> None:
    """The failing check with value and limit, how long it took, what traffic had seen it."""
    stage = staged()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    last = stage.chats.to(SLACK)[-1]
    assert last.text == SPENT
    assert last.post.body["attachments"][0]["color"] == "danger"
    assert last.fields == {
        "Image": "cart:2",
        "Failed check": "success rate 50.00% &lt; 99%",
        "Duration": "2m4s",
        "Traffic seen": "up to 40% of requests, 2m0s",
    }


def test_an_exceeded_progress_deadline_is_alerted() -> None:
    """Webhooks 4: Flagger ends its tick before it (D-62)."""
    stage = initialized(a_manifest(spec={"progressDeadlineSeconds": 60}), Stage(settings=GLOBAL))
    stage.release("cart:2", broken=True)
    rollouts.finish(stage)
    assert stage.chats.texts(SLACK)[-1].startswith("Progress deadline exceeded ")
    assert stage.chats.to(SLACK)[-1].fields["Traffic seen"] == "none"


def test_a_failure_that_flagger_has_no_alert_for_is_alerted() -> None:
    """Here: a target that goes in mid-rollout; the rollback is an error like any other."""
    stage = staged()
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app")
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert stage.chats.texts(SLACK)[-1] == "Rolling back target cart-app not found"


@pytest.mark.parametrize("muted", [False, True])
def test_a_closed_gate_is_alerted_once_unless_it_is_muted(muted: bool) -> None:
    """Webhooks 4: "Canary promotion is waiting for approval."; not again every five minutes."""
    gate = {"name": "end", "type": "confirm-promotion", "url": "http://gate/", "muteAlert": muted}
    stage = staged(webhooks=[gate])
    stage.hooks.refusing = {"end"}
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    stage.wait(timedelta(minutes=12))
    waits = "Canary promotion is waiting for approval."
    assert stage.chats.texts(SLACK).count(waits) == (0 if muted else 1)
    stage.hooks.refusing = set()
    rollouts.finish(stage)
    assert stage.chats.texts(SLACK)[-1] == PROMOTED


def test_a_rollback_by_a_hook_is_a_warning() -> None:
    """Webhooks 4: "Rolling back manual webhook invoked", which looks like an info."""
    hook = {"name": "off", "type": "rollback", "url": "http://off/"}
    stage = Stage(settings=GLOBAL)
    stage.hooks.refusing = {"off"}
    initialized(a_manifest(webhooks=[hook]), stage)
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.refusing = set()
    rollouts.finish(stage)
    last = stage.chats.to(SLACK)[-1]
    assert last.text == "Rolling back manual webhook invoked"
    assert last.post.body["attachments"][0]["color"] == "good"


# --- whom


def test_slack_and_teams_are_both_told() -> None:
    """In Flagger Teams wins; whoever sets both wants both."""
    stage = staged(BOTH)
    assert stage.chats.texts(SLACK) == [INITIALIZED]
    (card,) = stage.chats.to(TEAMS)
    assert card.post.body["sections"][0]["activityTitle"] == INITIALIZED


def test_a_canary_with_alerts_of_its_own_does_not_use_the_global_ones() -> None:
    """Webhooks 4, "Global versus per-canary"; also where all of its own are filtered out."""
    own = "https://chat.example/own"
    stage = fail(provided(a_provider(address=own), severity="error"))
    assert stage.chats.texts(own) == [SPENT]
    assert not stage.chats.to(SLACK)


def test_an_omitted_severity_means_info() -> None:
    """D-61: Flagger documents info, and sends nothing."""
    own = "https://chat.example/own"
    stage = provided(a_provider(address=own))
    assert stage.chats.texts(own) == [INITIALIZED]


def test_the_secret_of_a_provider_counts_and_is_nowhere_to_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Invariant 10: not in Redis, events, status or logs; also when the receiver is down."""
    caplog.set_level("DEBUG")
    url = "https://slack.example/api/t0ps3cr3t"
    secret = a_secret(namespace="sre", address=url, token="xoxb-t0k3n")
    provider = a_provider(namespace="sre", secretRef={"name": "chat-url"}, proxy="http://p:3128")
    stage = Stage(settings=GLOBAL)
    stage.kube.create(resources.NAMESPACES, None, {"metadata": {"name": "sre"}})
    stage.create(resources.SECRETS, secret)
    stage.create(resources.ALERT_PROVIDERS, provider)
    stage.chats.answering[url] = lambda _: Response(500, f"no {url}")
    entry = {"name": "team", "providerRef": {"name": "chat", "namespace": "sre"}}
    initialized(a_manifest(alerts=[entry]), stage)
    assert not stage.chats.posted
    kept = [repr(memory_redis.copied(stage.redis)), *stage.texts(), repr(stage.status)]
    kept += [repr(vars(each)) for each in caplog.records]
    assert not [text for text in kept if "t0ps3cr3t" in text or "t0k3n" in text]

    stage.chats.answering.clear()
    stage.wait(timedelta(minutes=6))
    assert [(each.post.url, each.post.token, each.proxy) for each in stage.chats.posted] == [
        (url, "xoxb-t0k3n", "http://p:3128")
    ]


# --- receivers of no use


def test_a_missing_provider_is_reported_and_holds_nothing_up() -> None:
    """Where its author looks: field, value, what is allowed. The rollout goes on."""
    stage = provided()
    stage.release("cart:2")
    phase(stage, "Succeeded")
    stage.wait(stage.settings.canaries.scale_down_delay)
    rollouts.succeeded(stage)
    assert stage.condition("Accepted")["status"] == "True"
    assert stage.condition("Accepted")["message"] == (
        "spec.analysis.alerts[0].providerRef: Invalid value: 'chat': alertprovider chat.shop not "
        "found; allowed is the name of an existing AlertProvider in namespace shop"
    )
    assert not stage.chats.posted
    stage.create(resources.ALERT_PROVIDERS, a_provider(address="https://chat.example/own"))
    stage.settle()
    assert "not found" not in stage.condition("Accepted")["message"]


def test_a_bad_address_is_reported_without_it() -> None:
    """Of a URL that cannot be used no more is shown than that."""
    stage = provided(a_provider(address="ftp://chat.example/t0k3n"))
    message = stage.condition("Accepted")["message"]
    assert "AlertProvider chat.shop: spec.address" in message
    assert "t0k3n" not in message


def test_a_missing_secret_is_told_and_the_alert_sent_when_it_is_there() -> None:
    """A Warning event on the Canary, once for each alert, however often it is tried."""
    stage = provided(a_provider(secretRef={"name": "chat-url"}))
    stage.wait(timedelta(minutes=3))
    warnings = [text for text in stage.texts() if "not sent" in text]
    assert warnings == [
        (
            "spec.analysis.alerts[0].providerRef: not sent: alertprovider chat.shop: "
            'spec.secretRef.name: "chat-url": not found; allowed is a Secret of namespace shop '
            "with key address"
        )
    ]
    stage.create(resources.SECRETS, a_secret(address="https://chat.example/own"))
    stage.wait(timedelta(minutes=6))
    assert stage.chats.texts("https://chat.example/own") == [INITIALIZED]


def test_a_receiver_of_no_use_is_not_looked_for_while_nothing_waits_for_it() -> None:
    """Of a canary that has failed it was, every few seconds, and at last every five minutes."""
    stage = fail(provided(a_provider(address="http://chat.example"), severity="error"))
    stage.edit(resources.ALERT_PROVIDERS, "chat", {"spec": {"address": "ftp://chat.example"}})
    stage.wait(timedelta(minutes=5, seconds=30))
    looks = stage.store.agenda()[REF] - stage.clock.now()
    assert looks > timedelta(minutes=3)
    assert not [text for text in stage.texts() if "not sent" in text]


def test_a_refused_address_is_told_to_whoever_gave_it(caplog: pytest.LogCaptureFixture) -> None:
    """Slack answers 404 to a webhook that was revoked: an event, or a line for the operator."""
    own = "https://chat.example/own"
    stage = Stage(settings=GLOBAL)
    stage.chats.answering = {url: lambda _: Response(404, "no_service") for url in (own, SLACK)}
    initialized(a_manifest(), stage)
    assert not [text for text in stage.texts() if "not sent" in text]
    assert "--slack-url: 404 no_service" in [getattr(each, "error", "") for each in caplog.records]
    stage.create(resources.ALERT_PROVIDERS, a_provider(address=own))
    stage.edit_canary(analysis={"alerts": [{"name": "team", "providerRef": {"name": "chat"}}]})
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    told = "spec.analysis.alerts[0].providerRef: not sent: alertprovider chat.shop: 404 no_service"
    assert stage.texts().count(told) == 1
    stage.chats.answering.clear()
    stage.wait(timedelta(minutes=6))
    assert NEW in stage.chats.texts(own)


@pytest.mark.parametrize(
    ("texts", "spec", "why"),
    [
        ({"token": "two\nlines"}, {}, "its token is not printable ASCII, as headers are"),
        ({}, {"proxy": "http://127.0.0.1:1"}, "alertprovider chat.shop: the proxy failed"),
        ({}, {}, "alertprovider chat.shop: the name does not resolve"),
    ],
)
def test_a_receiver_that_cannot_be_reached_is_told_to_its_author(
    texts: dict[str, str], spec: dict[str, str], why: str
) -> None:
    """R-72: the alert was tried for an hour, and given up, in the logs of the operator alone."""
    secret = a_secret(address="https://no-such-host.invalid/t0k3n", **texts)
    provider = a_provider(secretRef={"name": "chat-url"}, **spec)
    stage = Stage(settings=GLOBAL, send=HttpSender(SystemClock()))
    stage.create(resources.SECRETS, secret)
    stage.create(resources.ALERT_PROVIDERS, provider)
    initialized(a_manifest(alerts=[{"name": "a", "providerRef": {"name": "chat"}}]), stage)
    stage.wait(timedelta(minutes=3))
    (told,) = [text for text in stage.texts() if "not sent" in text]
    assert why in told
    assert "t0k3n" not in told
    assert "no-such-host" not in told


def test_a_receiver_that_is_away_for_seconds_is_no_matter_of_its_author() -> None:
    """Nor is one that asks for less, for however long."""
    own = "https://chat.example/own"
    stage = provided(a_provider(address=own))
    stage.chats.answering[own] = lambda _: Response(429, "", timedelta(minutes=2))
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.chats.answering[own] = chats.away
    stage.wait(timedelta(minutes=2, seconds=5))
    stage.chats.answering.clear()
    stage.wait(timedelta(minutes=2))
    assert NEW in stage.chats.texts(own)
    assert not [text for text in stage.texts() if "not sent" in text]


def test_kinds_that_cannot_be_watched_hold_nothing_up() -> None:
    """A leader without the right to list AlertProviders says so; the rollout goes on."""
    stage = Stage(settings=GLOBAL)
    stage.beat.refusals[resources.ALERT_PROVIDERS] = errors.Permanent("forbidden", status=403)
    entry = {"name": "team", "providerRef": {"name": "chat"}}
    initialized(a_manifest(alerts=[entry]), stage)
    assert "cannot watch alertproviders" in stage.condition("Accepted")["message"]
    stage.release("cart:2")
    phase(stage, "Succeeded")
    stage.wait(stage.settings.canaries.scale_down_delay)
    rollouts.succeeded(stage)


# --- outages


def test_a_receiver_that_is_down_delays_neither_the_rollout_nor_the_other_one() -> None:
    """It is told afterwards, in order and once, with what was known then."""
    stage = staged(BOTH)
    stage.chats.answering[SLACK] = chats.away
    stage.release("cart:2")
    began = stage.clock.now()
    rollouts.at_weight(stage, 60)
    assert stage.clock.now() - began <= timedelta(seconds=75)
    phase(stage, "Succeeded")
    stage.wait(timedelta(seconds=10))
    assert titles(stage) == [INITIALIZED, NEW, PROMOTED]
    assert stage.chats.texts(SLACK) == [INITIALIZED]

    ended = stage.clock.now()
    stage.chats.answering.clear()
    stage.wait(timedelta(minutes=6))
    assert stage.chats.texts(SLACK) == [INITIALIZED, NEW, PROMOTED]
    assert stage.chats.to(SLACK)[1].fields["Image"] == "cart:2"
    assert all(each.at >= ended for each in stage.chats.to(SLACK)[1:])
    assert not stage.store.undelivered(REF).notices
    assert alert_channels(stage).paces.turn(SLACK, REF).failures == 0, "it is forgotten"


def test_pauses_double_and_the_one_that_is_asked_for_is_kept() -> None:
    """Back-off, and Retry-After of a 429."""
    stage = Stage(settings=GLOBAL)
    stage.chats.answering[SLACK] = chats.away
    initialized(a_manifest(), stage)
    stage.wait(timedelta(minutes=2))
    tried = [at for at, _ in stage.chats.tried]
    pauses = [round((after - at).total_seconds()) for at, after in itertools.pairwise(tried)]
    assert pauses == [1, 2, 4, 8, 16, 32][: len(pauses)]
    assert len(pauses) >= 5

    stage.chats.answering[SLACK] = lambda _: Response(429, "", timedelta(seconds=90))
    stage.run(lambda on: len(on.chats.tried) > len(tried), within=LONG)
    asked_at = stage.clock.now()
    stage.chats.answering.clear()
    stage.run(lambda on: bool(on.chats.posted), within=LONG)
    assert stage.clock.now() - asked_at >= timedelta(seconds=90)


def test_alerts_that_are_older_than_an_hour_are_given_up() -> None:
    """A receiver that is gone for good holds nothing up for ever."""
    stage = Stage(settings=GLOBAL)
    stage.chats.answering[SLACK] = chats.away
    initialized(a_manifest(), stage)
    stage.wait(timedelta(minutes=80))
    assert not stage.store.undelivered(REF).notices
    stage.chats.answering.clear()
    stage.wait(timedelta(minutes=10))
    assert not stage.chats.posted


# --- deaths


class Killed(BaseException):
    """What nothing in a process survives."""


class Dying(DirectStore):
    """The store as a process sees it that is killed after its first post."""

    dead = False

    def run(self, asked: Invocation[T]) -> T:
        """What a script gives; what was posted is not written down any more."""
        self.dead = self.dead or asked.name == "note_delivered"
        if self.dead:
            raise Killed
        return super().run(asked)


def killed(store: Callable[[Stage], DirectStore]) -> Stage:
    """A stage on which the worker that alerts of a release is killed, and another one goes on."""
    stage = staged(BOTH)
    stage.wait(timedelta(seconds=5))
    alerter, there = stage.services.alerter, stage.services
    stage.services = alerting_by(there, replace(alerter, store=store(stage)))
    stage.release("cart:2")
    with pytest.raises(Killed):
        rollouts.at_weight(stage, 20)
    stage.services = there
    stage.chats.answering.clear()
    stage.bag.messages.clear()
    return rollouts.finish(stage)


def test_an_alert_is_repeated_once_at_most_when_its_worker_is_killed() -> None:
    """Between post and account; whoever was not posted to gets it once."""
    stage = killed(lambda on: Dying(on.redis, on.clock.now))
    assert stage.chats.texts(SLACK) == [INITIALIZED, NEW, NEW, PROMOTED]
    assert titles(stage) == [INITIALIZED, NEW, PROMOTED]
    assert not stage.store.undelivered(REF).notices


def test_no_alert_is_lost_or_repeated_when_its_worker_is_killed_before_it_is_posted() -> None:
    """It is told by another one when the lease of the dead one has ended."""

    def dies(_: Post) -> Response:
        raise Killed

    def store(on: Stage) -> DirectStore:
        on.chats.answering[SLACK] = dies
        return Dying(on.redis, on.clock.now)

    stage = killed(store)
    assert stage.chats.texts(SLACK) == titles(stage) == [INITIALIZED, NEW, PROMOTED]


def titles(stage: Stage) -> list[str]:
    """What Teams was told."""
    cards = (each.post.body for each in stage.chats.to(TEAMS))
    return [card["sections"][0]["activityTitle"] for card in cards]


# --- many


def test_one_address_gets_a_message_a_second_and_all_are_told() -> None:
    """Slack's limit, whoever alerts; a rollout of many canaries at a time."""
    stage = Stage(settings=GLOBAL)
    fleet.deployed(stage, a_manifest())
    stage.run(lambda on: set(fleet.phases(on).values()) == {"Initialized"}, within=LONG)
    stage.wait(timedelta(seconds=20))
    at = [each.at for each in stage.chats.to(SLACK)]
    assert len(at) == len(fleet.NAMES)
    assert min(after - before for before, after in itertools.pairwise(at)) >= timedelta(seconds=1)
    assert at[-1] - at[0] <= timedelta(seconds=2 * len(at))
    names = {each.post.body["attachments"][0]["author_name"] for each in stage.chats.to(SLACK)}
    assert names == {f"{name}.shop" for name in fleet.NAMES}


# --- Alertmanager

MANAGER: Final = "http://am.example:9093/api/v2/alerts"
MANAGED: Final = Settings.from_environ({"COALMINE_ALERTMANAGER_URL": "http://am.example:9093"})


def pushed(stage: Stage, url: str = MANAGER) -> list[dict[str, bool]]:
    """Per push the alerts that it tells of, and whether they fire."""
    bodies = (each.post.body for each in stage.chats.to(url))
    return [{each["labels"]["alertname"]: "startsAt" in each for each in body} for body in bodies]


def test_a_failure_fires_until_the_next_success_and_is_refreshed() -> None:
    """At most one push in five minutes at rest; also while the next release is under way."""
    stage = fail(staged(MANAGED))
    assert pushed(stage) == [{"CanaryFailed": True}]
    before = len(pushed(stage))
    stage.wait(timedelta(minutes=30))
    refreshes = stage.chats.to(MANAGER)[before:]
    assert 5 <= len(refreshes) <= 7
    assert pushed(stage)[before:] == [{"CanaryFailed": True}] * len(refreshes)

    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    rollouts.at_weight(stage, 40)
    assert pushed(stage)[-1]["CanaryFailed"]
    rollouts.finish(stage)
    assert pushed(stage)[-1] == {"CanaryFailed": False}
    told = len(pushed(stage))
    stage.wait(timedelta(minutes=30))
    assert len(pushed(stage)) == told


def test_a_failure_fires_on_after_a_loss_of_redis() -> None:
    """The status tells of it, and since when; one before the release under way is not known."""
    stage = fail(staged(MANAGED))
    (before,) = stage.chats.to(MANAGER)[-1].post.body
    stage.forget_everything()
    stage.wait(timedelta(minutes=6))
    (after,) = stage.chats.to(MANAGER)[-1].post.body
    assert len(pushed(stage)) > 1
    assert (after["labels"], after["startsAt"]) == (before["labels"], before["startsAt"])


@pytest.mark.parametrize("muted", [False, True])
def test_a_gate_that_waits_too_long_fires_until_it_opens(muted: bool) -> None:
    """From when it was found closed; `muteAlert` is about this alert, too."""
    settings = Settings.from_environ(
        {
            "COALMINE_ALERTMANAGER_URL": "http://am.example:9093",
            "COALMINE_ALERTMANAGER_GATE_WAIT": "12m",
        }
    )
    gate = {"name": "end", "type": "confirm-promotion", "url": "http://gate/", "muteAlert": muted}
    stage = staged(settings, webhooks=[gate])
    stage.hooks.refusing = {"end"}
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    stage.wait(timedelta(minutes=11))
    assert not any(each.get("CanaryGateWaiting") for each in pushed(stage))
    stage.wait(timedelta(minutes=6))
    assert bool(pushed(stage)) is not muted
    stage.hooks.refusing = set()
    stage.run(lambda on: on.phase() != "WaitingPromotion", within=LONG)
    waits = {alarm: fires for each in pushed(stage) for alarm, fires in each.items()}
    assert waits == ({} if muted else {"CanaryGateWaiting": False})


def test_an_alertmanager_that_is_away_hears_of_the_end_when_it_is_back() -> None:
    """Of what fires no more, once; nothing is left to be told."""
    stage = fail(staged(MANAGED))
    stage.chats.answering[MANAGER] = chats.away
    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    phase(stage, "Succeeded")
    stage.wait(timedelta(minutes=1))
    stage.chats.answering.clear()
    stage.wait(timedelta(minutes=6))
    assert pushed(stage)[-1] == {"CanaryFailed": False}
    assert not stage.store.undelivered(REF).notices


OWN: Final = "http://own.example/api/v2/alerts"


def an_alertmanager() -> dict[str, Any]:
    """An AlertProvider of a team's own."""
    return a_provider(type="alertmanager", address="http://own.example")


@pytest.mark.parametrize("own", [False, True], ids=["the operator's", "an AlertProvider's"])
def test_the_alerts_of_a_canary_that_is_deleted_are_resolved(own: bool) -> None:
    """At once, although nothing else is known of it any more; whoever had been told of them."""
    stage = fail(provided(an_alertmanager()) if own else staged(MANAGED))
    url = OWN if own else MANAGER
    assert pushed(stage, url)[-1] == {"CanaryFailed": True}
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    stage.settle()
    assert pushed(stage, url)[-1] == {"CanaryFailed": False}
    told = len(pushed(stage, url))
    stage.wait(timedelta(minutes=20))
    assert len(pushed(stage, url)) == told
    assert not stage.redis.exists(keys.FIRING.of(REF))


def test_a_receiver_that_is_taken_out_of_the_manifest_hears_that_nothing_fires_there() -> None:
    """Its alerts would last for another quarter of an hour."""
    stage = fail(provided(an_alertmanager(), settings=MANAGED))
    stage.edit_canary(analysis={"alerts": None})
    stage.wait(timedelta(minutes=6))
    assert pushed(stage, OWN)[-1] == {"CanaryFailed": False}
    assert pushed(stage)[-1] == {"CanaryFailed": True}


def test_the_alerts_of_a_canary_that_undoes_what_it_did_are_resolved() -> None:
    """With `revertOnDeletion` it says so itself."""
    stage = initialized(a_manifest(spec={"revertOnDeletion": True}), Stage(settings=MANAGED))
    fail(stage)
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    stage.wait(timedelta(minutes=1))
    assert pushed(stage)[-1] == {"CanaryFailed": False}


def test_an_alertmanager_is_told_nothing_by_who_has_no_time_left() -> None:
    """R-69: a run that had waited for a thread past its lease told how things had been before it.

    Here: a failure fired anew, for 15 minutes, after the next release had succeeded.
    """
    stage = fail(staged(MANAGED))
    snapshot = stage.store.read(REF)
    stage.wait(timedelta(minutes=3))
    before = pushed(stage)
    delivery = Delivery(stage.store, REF, Untold(), "", "")
    (late,) = alert_channels(stage).of(REF, snapshot, lambda: False)
    assert isinstance(late.told(delivery, (), stage.door), NotYet)
    assert pushed(stage) == before
    (early,) = alert_channels(stage).of(REF, snapshot, lambda: True)
    assert early.told(delivery, [a_notice()], stage.door) is None
    assert pushed(stage)[-1]["CanaryFailed"], "the test can fail"


def alert_channels(stage: Stage) -> AlertChannels:
    """What another worker sends alerts with."""
    receivers = Receivers(stage.door, stage.clock, stage.settings.alerts)
    return AlertChannels(Audience.of(stage.settings), receivers, stage.chats, stage.store)


def test_a_provider_may_be_an_alertmanager_that_wants_errors_alone() -> None:
    """Beside the operator's, which is told of all canaries."""
    stage = fail(provided(an_alertmanager(), settings=MANAGED, severity="error"))
    (alert,) = stage.chats.to(OWN)[-1].post.body
    assert alert["labels"] == {
        "alertname": "CanaryFailed",
        "namespace": "shop",
        "name": "cart",
        "severity": "critical",
    }
    assert pushed(stage)[-1]["CanaryFailed"]


def test_nothing_of_the_settings_is_anywhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """Invariant 10: addresses, token and proxies, while every receiver refuses."""
    caplog.set_level("DEBUG")
    secrets = {
        "SLACK_URL": "https://slack.example/s3cr3t-1",
        "SLACK_TOKEN": "s3cr3t-2",
        "SLACK_PROXY_URL": "http://me:s3cr3t-3@proxy",
        "MSTEAMS_URL": "https://teams.example/s3cr3t-4",
        "COALMINE_ALERTMANAGER_URL": "http://me:s3cr3t-5@am.example",
        "COALMINE_SLACK_CHANNEL": "releases",
    }
    stage = Stage(settings=Settings.from_environ(secrets))
    stage.chats.answering = {"http": lambda post: Response(403, f"you asked {post.url}")}
    initialized(a_manifest(), stage)
    fail_untold(stage)
    assert len({url for _, url in stage.chats.tried}) == 3
    kept = [repr(memory_redis.copied(stage.redis)), *stage.texts(), repr(stage.status)]
    kept += [repr(vars(each)) for each in caplog.records]
    assert not [text for text in kept if "s3cr3t" in text]
    refusals = {getattr(each, "error", "") for each in caplog.records}
    assert {"--slack-url: 403", "--msteams-url: 403"} <= refusals


def fail_untold(stage: Stage) -> None:
    """A release is rolled back of which nobody can be told."""
    stage.meters.source = measuring.failing
    stage.release("cart:2")
    phase(stage, "Failed")
