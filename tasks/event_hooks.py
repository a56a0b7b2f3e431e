"""The webhooks of type `event` as channels, each with an account of its own; hook workers' work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from analysis import hooks
from analysis.findings import HookResult
from analysis.hooks import HookCall
from clients import errors, urls
from clients.documents.notice import Notice
from clients.kube.protocol import Kube
from clients.redis.records import Asked, Snapshot
from config.api.canary import Canary
from config.ranks import Rank
from config.refs import CanaryRef
from config.validation import problems
from notify import event_hooks
from tasks import audience, gather
from tasks.audience import Audience
from tasks.delivery import Delivery
from tasks.queues import Dispatcher

SORT: Final = "event-hook"
"""What all of them are counted as."""

Post = Callable[[HookCall, Callable[[], bool]], HookResult]


def ask(dispatcher: Dispatcher, ref: CanaryRef) -> None:
    """Has the event hooks of `ref` told; should that fail, the next look does."""
    with suppress(errors.ClientError):
        dispatcher.call([Asked.of_events(ref)], Rank.RESYNC)


@dataclass(frozen=True, slots=True)
class EventHook:
    """One webhook as a channel; see `notify.Channel`."""

    canary: Canary
    audience: Audience
    key: str
    post: Post
    is_wanted: Callable[[], bool]

    @property
    def name(self) -> str:
        """Its account: the webhook as written."""
        return audience.hook_account(self.key)

    def told(
        self, delivery: Delivery, waiting: Sequence[Notice], kube: Kube
    ) -> errors.ClientError | None:
        """Why it was not told all; None when it was."""
        return delivery.bring(self, waiting, kube, sort=SORT)

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:  # noqa: ARG002
        """Posts `notice`. Raises Transient when it was not taken."""
        told = notice.fields.get("told", ""), notice.fields.get("revision", "")
        calls = self.audience.calls(self.canary, *told)
        call = next(call for call in calls if call.key == self.key)
        body = event_hooks.body(call.url, call.body, notice)
        result = self.post(replace(call, body=body), self.is_wanted)
        if not result.ok:
            raise errors.Transient(f"event hook {call.name}: {_shown(call, result)}")


@dataclass(frozen=True, slots=True)
class EventHooks:
    """The event hooks of any canary."""

    post: Post
    audience: Audience

    def of(
        self,
        ref: CanaryRef,  # noqa: ARG002
        snapshot: Snapshot,
        is_wanted: Callable[[], bool],
    ) -> tuple[EventHook, ...]:
        """Those of one canary."""
        canary = gather.accepted(snapshot.world)
        if canary is None:
            return ()
        keys = (call.key for call in self.audience.calls(canary))
        return tuple(EventHook(canary, self.audience, key, self.post, is_wanted) for key in keys)


def _shown(call: HookCall, result: HookResult) -> str:
    """Why a call failed; of a URL that is not in a manifest, paths are not shown either."""
    if call.key != hooks.EVERYBODY:
        return result.message
    return result.message.replace(urls.redacted(call.url), problems.shown_url(call.url))
