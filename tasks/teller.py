"""Tells the webhooks of type `event`: each in order, at least once, and nobody waits for them.

The notices are those of all channels (`tasks.delivery`); each webhook has an account of
its own. The status lane says when there is something to tell, and every look at a canary does as
long as there is: what a receiver could not be told is told with the next notice, or the next look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pydantic import SecretStr

from analysis import hooks
from analysis.findings import HookResult
from analysis.hooks import HookCall
from clients import errors, urls
from clients.clock import Clock
from clients.documents.notice import Notice
from clients.fair_threads import FairThreads
from clients.kube.protocol import Kube, NoKube
from clients.redis import rollouts
from clients.redis.records import Asked, Begun, Work
from clients.redis.store import Store
from config.api.canary import Canary
from config.api.hooks import WebhookType
from config.ranks import Rank
from config.refs import CanaryRef
from config.validation import problems
from notify import event_hooks
from tasks import failures, gather
from tasks.delivery import Delivery
from tasks.queues import Dispatcher

log = logging.getLogger(__name__)

NO_ROUND: Final = 0
"""Stands for the round in a message about event hooks: rounds are numbered from 1."""

TELL_LEASE: Final = timedelta(seconds=90)
"""How long one run may take: `LONGEST`, and a pause between two attempts after it."""

LONGEST: Final = timedelta(seconds=45)
"""After which no attempt is begun."""

TOO_OLD: Final = timedelta(hours=1)
"""How old a notice may be that is told: who was away for longer reads the events."""

Post = Callable[[HookCall, Callable[[], bool]], HookResult]


def named(canary: Canary | None, everybody: SecretStr | None = None) -> tuple[str, ...]:
    """The accounts of the event hooks of a canary.

    `everybody` is where the events of those without one of their own are posted.
    """
    calls = _calls(canary, everybody, "", "") if canary else ()
    return tuple(_account(call.key) for call in calls)


def listeners(asked: Iterable[Asked]) -> tuple[Asked, ...]:
    """Those that are about event hooks."""
    return tuple(each for each in asked if each.round == NO_ROUND)


def ask(dispatcher: Dispatcher, ref: CanaryRef) -> None:
    """Has the event hooks of `ref` told; should that fail, the next look does."""
    with suppress(errors.ClientError):
        dispatcher.call([Asked(ref, NO_ROUND, "")], Rank.RESYNC)


@dataclass(frozen=True, slots=True)
class EventHook:
    """One webhook as a channel; see `notify.Channel`."""

    canary: Canary
    everybody: SecretStr | None
    key: str
    now: datetime
    post: Post
    is_wanted: Callable[[], bool]

    @property
    def name(self) -> str:
        """Its account: the webhook as written."""
        return _account(self.key)

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:  # noqa: ARG002
        """Posts `notice`. Raises Transient when it was not taken, Permanent when it is too old."""
        if self.now - notice.at > TOO_OLD:
            raise errors.Permanent(f"older than {TOO_OLD}")
        told = notice.fields.get("told", ""), notice.fields.get("revision", "")
        calls = _calls(self.canary, self.everybody, *told)
        call = next(call for call in calls if call.key == self.key)
        body = event_hooks.body(call.url, call.body, notice)
        result = self.post(replace(call, body=body), self.is_wanted)
        if not result.ok:
            raise errors.Transient(f"event hook {call.name}: {_shown(call, result)}")


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells event hooks, on threads of its own: gates and checks never wait for one."""

    store: Store
    post: Post
    clock: Clock
    threads: FairThreads
    others: Sequence[str]
    """The accounts of the channels that deliver elsewhere."""
    everybody: SecretStr | None = None
    """Where the events of canaries without event hooks of their own are posted."""
    doubt: Callable[[], None] = lambda: None

    def tell(self, *refs: CanaryRef) -> None:
        """Has told what is untold of each of `refs`; comes back before it is."""
        for ref in refs:
            self.threads.submit(ref, partial(self._tell, ref))

    def _tell(self, ref: CanaryRef) -> None:
        try:
            again = True
            while again:
                begun = self.store.run(rollouts.beginning(ref, Work.TELL, TELL_LEASE))
                if begun is None:
                    return
                again = self._told(ref, begun)
        except errors.ClientError as failure:
            failures.tell_of(ref, failure, self.doubt)

    def _told(self, ref: CanaryRef, begun: Begun) -> bool:
        """Delivers what is untold; whether there is more by now."""
        told: tuple[str, ...] = ()
        try:
            channels = self._channels(begun)
            delivery = Delivery(self.store, channels)
            told, failure = delivery.deliver(ref, NoKube(), begun.untold, self.others)
            if failure is not None:
                extra = {"canary": ref.dotted, "error": failure.message}
                log.warning("event hook not told", extra=extra)
        finally:
            uid = (begun.snapshot.state or {}).get("uid") or ""
            finishing = rollouts.finishing(ref, Work.TELL, begun.token, told=told, uid=uid)
            again = self.store.run(finishing)
        return again and failure is None

    def _channels(self, begun: Begun) -> tuple[EventHook, ...]:
        canary = gather.accepted(begun.snapshot.world)
        if canary is None:
            return ()
        ends = self.clock.monotonic() + LONGEST.total_seconds()

        def is_wanted() -> bool:
            return self.clock.monotonic() < ends

        keys = (call.key for call in _calls(canary, self.everybody, "", ""))
        now = begun.snapshot.now
        return tuple(
            EventHook(canary, self.everybody, key, now, self.post, is_wanted) for key in keys
        )


def _calls(
    canary: Canary, everybody: SecretStr | None, phase: str, revision: str
) -> tuple[HookCall, ...]:
    own = hooks.hook_calls(canary, WebhookType.EVENT, phase, revision)
    if own or everybody is None:
        return own
    return (hooks.event_call(canary, everybody.get_secret_value(), phase, revision),)


def _shown(call: HookCall, result: HookResult) -> str:
    """Why a call failed; of a URL that is not in a manifest, paths are not shown either."""
    if call.key != hooks.EVERYBODY:
        return result.message
    return result.message.replace(urls.redacted(call.url), problems.shown_url(call.url))


def _account(key: str) -> str:
    return f"event-hook:{key}"
