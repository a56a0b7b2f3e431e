"""The receivers of alerts as channels, each with an account of its own; report workers' work.

A receiver that is of no use, or refuses, is told of where the author of the canary looks, and holds
nothing up: the alert is tried again until it is too old.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Final

from analysis import state as states
from analysis import wording
from clients import errors
from clients.documents.notice import Notice
from clients.kube import resources
from clients.kube.protocol import Kube
from clients.redis.firing import FiringAlerts
from clients.redis.paces import Paces, Turn
from clients.redis.records import Snapshot
from clients.redis.store import Store
from config.api.alert_provider import AlertProviderType
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from notify import alerts, kubernetes_events
from notify.channels import FORMATS, alertmanager
from notify.channels.alertmanager import LASTS, SEVERITIES, Firing, Levels
from notify.message import Answer, Post, accepted
from tasks import alarms, audience, gather, sending
from tasks.audience import Audience, Listener
from tasks.delivery import Delivery
from tasks.levels import Alertmanager
from tasks.receivers import Receiver, Receivers, Unusable
from tasks.sending import Send
from tasks.teller import CanaryChannel, NotYet

_AT_ONCE: Final = timedelta(0)
SORT: Final = "alertprovider"
"""What one that is of no use is counted as, since its type is not known."""

_LASTING: Final = timedelta(seconds=30)
"""The pause, about a minute after the first failure, from which on one counts as down."""

_SOON: Final = timedelta(seconds=1)
"""When one goes on who had no time left."""


@dataclass(frozen=True, slots=True)
class AlertChannels:
    """The receivers of alerts as channels, and what all alerts are sent with."""

    audience: Audience
    receivers: Receivers
    send: Send
    store: Store

    def of(
        self, ref: CanaryRef, snapshot: Snapshot, is_in_time: Callable[[], bool]
    ) -> tuple[CanaryChannel, ...]:
        """The receivers of one canary's alerts, and those that it had when something fired there.

        A canary that is gone has no others.
        """
        world = snapshot.world
        canary, is_gone = gather.accepted(world), world.is_readable and world.admission is None
        if canary is None and not is_gone:
            return ()
        listeners = self.audience.listeners(canary)
        present = {each.account for each in listeners}
        left = (account for account in self.memory.of(ref) if account not in present)
        return (
            *(AlertChannel(self, ref, each, snapshot, is_in_time) for each in listeners),
            *(_Left(self, ref, account, snapshot) for account in left),
        )

    @property
    def paces(self) -> Paces:
        """How fast addresses are posted to."""
        return Paces(self.store)

    @property
    def memory(self) -> FiringAlerts:
        """What Alertmanagers were told that fires."""
        return FiringAlerts(self.store, LASTS)

    def firing(self, account: str, snapshot: Snapshot) -> tuple[Firing, ...]:
        """What fires by `snapshot` for a receiver, if the canary has it."""
        canary, stored = gather.accepted(snapshot.world), snapshot.state
        listeners = self.audience.listeners(canary)
        listener = next((each for each in listeners if each.account == account), None)
        if canary is None or stored is None or listener is None:
            return ()
        state = states.stored(stored, snapshot.leaps.total)
        gate_wait = self.audience.alerts.gate_wait
        fires = alarms.firing(state, canary, snapshot.now, gate_wait)
        least = listener.least
        return tuple(each for each in fires if alerts.reaches(SEVERITIES[each.alarm], least))

    def level(
        self, ref: CanaryRef, account: str, receiver: Receiver, snapshot: Snapshot, *, is_news: bool
    ) -> bool:
        """Whether an Alertmanager was told anything of `ref`. Raises as `post`."""
        about = self.audience.about
        link = about.link_of(ref)

        def push(levels: Levels) -> None:
            post = alertmanager.post(ref, levels, receiver.sender, cluster=about.cluster, link=link)
            self.post(ref, receiver, post)

        manager = Alertmanager(
            ref=ref,
            account=account,
            memory=self.memory,
            firing=partial(self.firing, account),
            read=lambda: self.store.read(ref),
            push=push,
        )
        return manager.level(snapshot, is_news=is_news)

    def post(
        self,
        ref: CanaryRef,
        receiver: Receiver,
        post: Post,
        *,
        pace: timedelta = _AT_ONCE,
        is_taken: Callable[[Answer], bool] = accepted,
    ) -> None:
        """Posts once, if it is the turn of `ref`; `pace` and `is_taken` as in `Format`.

        Raises what `sending.refusal` gives, with the pause before the next try.
        """
        address = receiver.sender.address
        turn = self.paces.turn(address, ref, pace)
        if turn.wait:
            raise NotYet("waits for its turn", retry_after=turn.wait)
        try:
            response = self.send(post, receiver.proxy)
            if not is_taken(Answer(response.status, response.body)):
                raise sending.refusal(post, response)
        except errors.Permanent:
            self.recovered(address, turn)
            raise
        except errors.ClientError as failure:
            pause = self.paces.failed(address, failure.retry_after)
            raise failure.retold(retry_after=pause) from None
        self.recovered(address, turn)

    def recovered(self, name: str, turn: Turn) -> None:
        """Whoever had that turn succeeded."""
        if turn.failures:
            self.paces.succeeded(name)


@dataclass(frozen=True, slots=True)
class AlertChannel:
    """One receiver of the alerts of one canary; see `tasks.teller.CanaryChannel`."""

    channels: AlertChannels
    ref: CanaryRef
    listener: Listener
    snapshot: Snapshot
    is_in_time: Callable[[], bool]

    @property
    def name(self) -> str:
        """Its account."""
        return self.listener.account

    def told(
        self, delivery: Delivery, waiting: Sequence[Notice], kube: Kube
    ) -> errors.ClientError | None:
        """Why it was not told all that is `waiting` for it; None when it was."""
        if not waiting and not self.channels.firing(self.name, self.snapshot):
            return None
        try:
            receiver = self._receiver()
            if receiver.kind is AlertProviderType.ALERTMANAGER:
                return self._level(delivery, receiver, is_news=bool(waiting))
            selected = alerts.selected(waiting, self.listener.least)
            return delivery.bring(_Chat(self, receiver), selected, kube, sort=receiver.kind.value)
        except Unusable as unusable:
            if not waiting:  # it is looked at again in any case as long as something fires
                return None
            delivery.count(SORT, unusable)
            for notice in alerts.selected(waiting, self.listener.least)[:1]:
                self.complain(notice, unusable.message, kube)
            return unusable

    def complain(self, notice: Notice, why: str, kube: Kube) -> None:
        """Tells the author of the canary that an alert was not sent, once for each.

        What operators have set is in their logs alone.
        """
        if not self.listener.field:
            return
        told = Notice(
            id=notice.id,
            uid=notice.uid,
            at=notice.at,
            severity=AlertSeverity.WARN,
            message=f"{self.listener.field}{wording.NOT_SENT}{why}",
        )
        with suppress(errors.ClientError):
            event = kubernetes_events.event(self.ref, told)
            kube.create(resources.EVENTS, self.ref.namespace, event)

    def _receiver(self) -> Receiver:
        turn = self.channels.paces.turn(self.name, self.ref)
        if turn.wait:
            raise NotYet("the receiver was of no use", retry_after=turn.wait)
        try:
            receiver = self.channels.receivers.of(self.listener.source)
        except errors.ClientError as failure:
            pause = self.channels.paces.failed(self.name)
            kind = Unusable if isinstance(failure, Unusable) else errors.Transient
            raise kind(failure.message, retry_after=pause) from None
        self.channels.recovered(self.name, turn)
        return receiver

    def _level(
        self, delivery: Delivery, receiver: Receiver, *, is_news: bool
    ) -> errors.ClientError | None:
        """Tells an Alertmanager how things are; it needs not to be told what has happened."""
        if not self.is_in_time():
            return NotYet("no time left", retry_after=_SOON)
        failure = None
        try:
            is_told = self.channels.level(
                self.ref, self.name, receiver, self.snapshot, is_news=is_news
            )
        except errors.ClientError as refused:
            is_told, failure = True, refused
        if is_told:
            delivery.count(receiver.kind.value, failure)
        return failure


@dataclass(frozen=True, slots=True)
class _Left:
    """An Alertmanager at which something fires of a canary that is gone, or names it no more.

    Should it be away, its alerts end by themselves. See `tasks.teller.CanaryChannel`.
    """

    channels: AlertChannels
    ref: CanaryRef
    name: str
    snapshot: Snapshot

    def told(self, delivery: Delivery, waiting: Sequence[Notice], kube: Kube) -> None:  # noqa: ARG002
        """Resolves what fires."""
        with suppress(errors.ClientError):
            receiver = self.channels.receivers.of(audience.source_of(self.name))
            if receiver.kind is AlertProviderType.ALERTMANAGER:
                self.channels.level(self.ref, self.name, receiver, self.snapshot, is_news=True)


def _concerns_the_author(failure: errors.ClientError) -> bool:
    """Whether an address may be wrong: not where a receiver restarts, or is told too much."""
    if isinstance(failure, errors.NotFound | errors.Permanent):
        return True
    is_soon = isinstance(failure, NotYet) or failure.status == HTTPStatus.TOO_MANY_REQUESTS
    return not is_soon and (failure.retry_after or _AT_ONCE) >= _LASTING


@dataclass(frozen=True, slots=True)
class _Chat:
    """A channel for alerts in words; see `notify.Channel`."""

    channel: AlertChannel
    receiver: Receiver

    @property
    def name(self) -> str:
        """Its account."""
        return self.channel.name

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:
        """Posts the alert of `notice`, if there is time."""
        if notice.alert is None:
            return
        if not self.channel.is_in_time():
            raise NotYet("no time left", retry_after=_SOON)
        channels, receiver = self.channel.channels, self.receiver
        form = FORMATS[receiver.kind]
        message = alerts.message(ref, notice, notice.alert, channels.audience.about)
        try:
            post = form.post(message, receiver.sender)
            channels.post(ref, receiver, post, pace=form.pace, is_taken=form.accepted)
        except errors.ClientError as failure:
            why = f"{receiver.label}: {failure.message}"
            if _concerns_the_author(failure):
                self.channel.complain(notice, why, kube)
            raise failure.retold(message=why) from None
