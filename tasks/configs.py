"""Has the tracked ConfigMaps and Secrets of a canary read when a version is told that nobody knows.

So a canary whose configs do not change costs no read, whatever it is at.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from clients import errors
from clients.clock import Clock
from clients.documents.confirmed import Confirmation, Lane
from clients.documents.world import World
from clients.kube.protocol import Kube
from clients.redis import rollouts
from clients.redis.records import Basis, Begun
from config.api.canary import Canary
from config.refs import CanaryRef
from tasks import gather
from tasks.steps import Steps, ask, awaited
from workloads import tracker
from workloads.tracker_configs import Configs, NewKey

log = logging.getLogger(__name__)

LONGEST_READ: Final = 1.5
"""Seconds for reading all configs of a canary. With the queries after it this is within the lease
of a tick: an API server that does not answer keeps nobody from rolling back."""


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """Reads what is not known, and keeps what it has come to."""

    kube: Kube
    clock: Clock
    new_key: NewKey

    def known(self, ref: CanaryRef, begun: Begun) -> Steps[tuple[Begun, str]]:
        """`begun` with the contents of the tracked configs, and why some are not known, if so."""
        world, canary = begun.snapshot.world, gather.accepted(begun.snapshot.world)
        if canary is None or not tracker.unread(world):
            return begun, ""
        read, trouble = yield from awaited(partial(self._read, canary, world))
        uid = str((begun.snapshot.state or {}).get("uid") or "")
        if read.contents != world.contents and uid:
            news = Confirmation(
                lane=Lane.WORKLOAD, trouble=None, observed={"contents": read.contents or {}}
            )
            yield from ask(rollouts.confirming(ref, news, Basis(uid=uid), over=world, wake=False))
        return replace(begun, snapshot=replace(begun.snapshot, world=read)), trouble

    def _read(self, canary: Canary, world: World) -> tuple[World, str]:
        """`world` with what could be read, no more than is referred to; and what kept the rest."""
        kube = self.kube.until(self.clock.monotonic() + LONGEST_READ)
        configs, trouble = Configs.of(kube, canary, self.new_key, world), ""
        try:
            configs.read(tracker.unread(world))
        except errors.ClientError as refused:
            trouble = refused.message
            log.warning("configs not read", extra={"canary": canary.ref.dotted, "error": trouble})
        wanted = set(tracker.wanted(world))
        contents = {key: each for key, each in configs.contents.items() if key in wanted}
        # What was read just now is newer than what the watch has told.
        told = {key: contents[key].version for key in contents}
        return replace(world, contents=contents, configs={**(world.configs or {}), **told}), trouble
