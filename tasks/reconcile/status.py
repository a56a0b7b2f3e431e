"""Shows the state of one canary to the cluster: its status, coalesced, and each event once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from analysis import conditions
from analysis import state as states
from analysis.effects import Lane
from clients import errors
from clients.documents import world as worlds
from clients.documents.confirmed import Confirmation
from clients.documents.world import World
from clients.kube import resources
from clients.kube.protocol import Kube, PatchKind
from clients.redis.records import Snapshot, Work
from clients.redis.store import Store
from config.refs import CanaryRef
from notify import kubernetes_events
from tasks import gather
from tasks.reconcile import leased

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=8)
"""How long one report may take: a status patch and a handful of events."""


class StatusReconciler:
    """Writes status and events under the report lease of their canary."""

    def __init__(self, store: Store, kube: Kube) -> None:
        self._store = store
        self._kube = kube

    def reconcile(self, ref: CanaryRef) -> None:
        """Shows the state of `ref` as it is by now, and again while it changes."""
        leased.under_lease(self._store, ref, Work.STATUS, LEASE, lambda seen: self._show(ref, seen))

    def _show(self, ref: CanaryRef, snapshot: Snapshot) -> None:
        admission = snapshot.world.admission
        if admission is None or snapshot.state is None or gather.is_behind(snapshot):
            return
        uid = admission.uid
        if snapshot.state["uid"] != uid:
            return
        shown = self._status_shown(ref, snapshot)
        if self._told(ref, uid) and shown and self._is_known(ref, uid):
            news = Confirmation(lane=Lane.STATUS, seq=snapshot.version)
            self._store.confirm(ref, uid, news, wake=False)

    def _status_shown(self, ref: CanaryRef, snapshot: Snapshot) -> bool:
        """Whether the status says what it should; a refusal keeps no event from being told."""
        try:
            self._write_status(ref, snapshot)
        except (errors.NotFound, errors.Conflict) as gone:
            extra = {"canary": ref.dotted, "error": gone.message}
            log.info("canary is gone, or another one by now", extra=extra)
        except errors.Permanent as refused:
            extra = {"canary": ref.dotted, "error": refused.message}
            log.warning("status refused", extra=extra)
            uid = gather.uid_of(snapshot)
            news = Confirmation(lane=Lane.STATUS, refused=True)
            self._store.confirm(ref, uid, news, wake=False)
        else:
            return True
        return False

    def _write_status(self, ref: CanaryRef, snapshot: Snapshot) -> None:
        """One patch, and none when the status says it all already."""
        present = snapshot.world.status.fields if snapshot.world.status else {}
        state = states.from_json(snapshot.state or {})
        wanted = conditions.status(
            state,
            snapshot.version,
            gather.accepted(snapshot.world),
            present.get("conditions") or (),
            snapshot.now,
        )
        if not conditions.says_more(wanted, present):
            return
        patch = status_patch(state.uid, {**present, **wanted})
        written = self._kube.patch(
            resources.CANARIES,
            ref.namespace,
            ref.name,
            patch,
            subresource="status",
            kind=PatchKind.JSON,
        )
        if self._is_known(ref, state.uid):
            known = World(status=worlds.shown_status(written))
            self._store.put_world(ref, known, [worlds.STATUS], over=snapshot.world)

    def _is_known(self, ref: CanaryRef, uid: str) -> bool:
        """Whether there is still a state of the canary `uid`; what is stored else would stay."""
        stored = self._store.read(ref).state
        return stored is not None and stored["uid"] == uid

    def _told(self, ref: CanaryRef, uid: str) -> bool:
        """Whether all waiting notices are delivered, in order; each is dropped once it is.

        One that is refused is dropped as well, or it would hold up all that follow for ever; its
        text was logged when it was decided. Not so where there is no namespace to put events in.
        """
        for notice in self._store.notices(ref):
            body = kubernetes_events.event(ref, uid, notice.id, notice.body)
            try:
                self._kube.create(resources.EVENTS, ref.namespace, body)
            except errors.AlreadyExists:
                self._tell_again(ref, body)
            except errors.NotFound:
                return False
            except errors.Permanent as refused:
                extra = {"canary": ref.dotted, "error": refused.message, "notice": notice.id}
                log.warning("event refused", extra=extra)
            self._store.drop_notices(ref, [notice.id])
        return True

    def _tell_again(self, ref: CanaryRef, body: Mapping[str, Any]) -> None:
        """Counts an event up that was told before; one delivered twice says what it said."""
        patch, name = kubernetes_events.repetition(body), body["metadata"]["name"]
        if patch is not None:
            self._kube.patch(resources.EVENTS, ref.namespace, name, patch)


def status_patch(uid: str, status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The JSON patch that gives `status` to the Canary object `uid`, and to no other.

    A uid in a merge patch would not do: servers take an object's metadata for given when they
    write its status. One that does not match is refused as Permanent (422).
    """
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/status", "value": dict(status)},
    ]
