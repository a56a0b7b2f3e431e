"""The deployment controller: ReplicaSets, Pods and status for every Deployment in the store.

Pods never run anything; when they are ready is decided by `pods`, sizes and status by `rollout` and
`status`, which are pure. No events are emitted, and paused Deployments only get their status
refreshed.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Self

from clients.clock import SystemClock
from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.objects import Key, Obj, at, replaced
from sandbox.apiserver.storage import Change
from sandbox.apiserver.store import Store
from sandbox.controllers import pods, rollout, status, workloads
from sandbox.controllers.rollout import SetState

SYSTEM_CLOCK: Final = SystemClock()
DEPLOYMENTS: Final = "deployments.apps"
REPLICA_SETS: Final = "replicasets.apps"
PODS: Final = "pods"
_POLL_SECONDS: Final = 0.05
_IDLE_SECONDS: Final = 0.5
_MOST_ROUNDS: Final = 100


class DeploymentController:
    """Keeps the Deployments of `store` rolled out: by itself (`start`) or on demand (`step`)."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime] = SYSTEM_CLOCK.now,
        default_ready_after: timedelta = timedelta(seconds=0.5),
    ) -> None:
        self._store = store
        self._now = now
        self._ready_after = default_ready_after
        self._due: dict[Key, datetime] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Runs in a thread until `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="sandbox-deployments", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends the thread; harmless when there is none."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def step(self) -> datetime | None:
        """Does all there is to do at `now`; the next moment something is due, None for none."""
        self._due.clear()
        for deployment in self._store.list(DEPLOYMENTS):
            metadata = deployment["metadata"]
            self._settle(Key(metadata["namespace"], metadata["name"]))
        return min(self._due.values(), default=None)

    def _run(self) -> None:
        with self._store.watch_queue((DEPLOYMENTS, PODS)) as changes:
            self.step()
            while not self._stopping.is_set():
                for key in self._next(changes):
                    self._settle(key)

    def _next(self, changes: "queue.SimpleQueue[Change]") -> set[Key]:
        """The Deployments with something to do, after waiting a little for one."""
        wait = _POLL_SECONDS if self._due else _IDLE_SECONDS
        found = {key for key, moment in self._due.items() if moment <= self._now()}
        try:
            change = changes.get(timeout=0 if found else wait)
            while True:
                key = _deployment_of(change)
                found |= {key} if key else set()
                change = changes.get_nowait()
        except queue.Empty:
            return found

    def _settle(self, key: Key) -> None:
        """Works on one Deployment until nothing is left to do at this moment."""
        self._due.pop(key, None)
        for _ in range(_MOST_ROUNDS):
            try:
                with self._store.storage.lock:
                    before = self._store.storage.revision
                    self._work(key)
                    if self._store.storage.revision == before:
                        return
            except ApiError:
                # Deleted, or its namespace is going: the next change brings it back if need be.
                return

    def _work(self, key: Key) -> None:
        deployment = self._store.get(DEPLOYMENTS, *key)
        if deployment["metadata"].get("deletionTimestamp"):
            return
        digest = workloads.template_hash(deployment["spec"]["template"])
        if not at(deployment, ("spec", "paused")):
            self._ensure_new_set(deployment, digest)
            self._resize(deployment, digest)
        states = [self._tend(item, digest) for item in self._sets(deployment)]
        self._publish(deployment, states)
        self._forget_old_sets(deployment, digest)
        self._schedule(key)

    def _sets(self, deployment: Obj) -> Sequence[Obj]:
        return self._store.dependents(deployment["metadata"]["uid"], REPLICA_SETS)

    def _pods(self, replicas: Obj) -> Sequence[Obj]:
        return self._store.dependents(replicas["metadata"]["uid"], PODS)

    def _ensure_new_set(self, deployment: Obj, digest: str) -> None:
        sets = self._sets(deployment)
        revisions = {_revision(item): item for item in sets}
        latest = max(revisions, default=0)
        current = next((item for item in sets if _digest(item) == digest), None)
        if current is None:
            new = workloads.replica_set(deployment, digest, latest + 1)
            self._store.create(REPLICA_SETS, new)
        elif _revision(current) < latest:
            path = ("metadata", "annotations", workloads.REVISION)
            self._store.update(REPLICA_SETS, replaced(current, path, str(latest + 1)))

    def _resize(self, deployment: Obj, digest: str) -> None:
        sets = self._sets(deployment)
        states = [self._state(item, digest) for item in sets]
        recreate = at(deployment, ("spec", "strategy", "type")) == "Recreate"
        wanted = rollout.sizes(rollout.Bounds.of(deployment), states, recreate=recreate)
        for item in sets:
            size = wanted[item["metadata"]["name"]]
            if size != at(item, ("spec", "replicas"), 0):
                self._store.update(REPLICA_SETS, replaced(item, ("spec", "replicas"), size))

    def _state(self, replicas: Obj, digest: str) -> SetState:
        return workloads.set_state(replicas, self._pods(replicas), digest, self._now())

    def _tend(self, replicas: Obj, digest: str) -> SetState:
        """Makes and removes Pods until there are as many as wanted, and refreshes statuses."""
        wanted, items = at(replicas, ("spec", "replicas"), 0), self._pods(replicas)
        for _ in range(wanted - len(items)):
            new = pods.pod(replicas, self._now(), self._ready_after)
            self._store.create(PODS, new)
        for item in _least_ready_first(items, self._now())[: max(len(items) - wanted, 0)]:
            self._store.delete(PODS, item["metadata"]["namespace"], item["metadata"]["name"])
        for item in self._pods(replicas):
            self._refresh(PODS, item, pods.status(item, self._now()))
        state = self._state(replicas, digest)
        self._refresh(REPLICA_SETS, replicas, workloads.set_status(replicas, state))
        return state

    def _refresh(self, resource: str, obj: Obj, wanted: Obj) -> None:
        if obj.get("status") != wanted:
            self._store.update(resource, {**obj, "status": wanted}, "status")

    def _publish(self, deployment: Obj, states: list[SetState]) -> None:
        wanted = status.reconcile(deployment, states, self._now())
        revision = max((_revision(item) for item in self._sets(deployment)), default=0)
        path = ("metadata", "annotations", workloads.REVISION)
        shown = replaced(deployment, path, str(revision)) if revision else deployment
        if shown != deployment or deployment.get("status") != wanted:
            self._store.update(DEPLOYMENTS, {**shown, "status": wanted}, "status")

    def _forget_old_sets(self, deployment: Obj, digest: str) -> None:
        limit = at(deployment, ("spec", "revisionHistoryLimit"), 10)
        empty = [
            item
            for item in self._sets(deployment)
            if _digest(item) != digest and not at(item, ("spec", "replicas"), 0)
        ]
        for item in sorted(empty, key=_revision)[: max(len(empty) - limit, 0)]:
            name = item["metadata"]["name"]
            self._store.delete(REPLICA_SETS, item["metadata"]["namespace"], name)

    def _schedule(self, key: Key) -> None:
        """Notes when this Deployment next changes by the passing of time alone."""
        deployment, now = self._store.get(DEPLOYMENTS, *key), self._now()
        settle = timedelta(seconds=at(deployment, ("spec", "minReadySeconds"), 0))
        moments = [
            later
            for replicas in self._sets(deployment)
            for life in map(pods.life, self._pods(replicas))
            if life.ready_at < pods.NEVER
            for later in (life.ends_at, life.ready_at, life.ready_at + settle)
        ]
        limit = status.deadline(deployment)
        if limit is not None:
            moments.append(limit + timedelta(milliseconds=1))
        coming = [moment for moment in moments if now < moment < pods.NEVER]
        if coming:
            self._due[key] = min(coming)


def _digest(replicas: Obj) -> str:
    return str(at(replicas, ("metadata", "labels", workloads.HASH_LABEL), ""))


def _revision(replicas: Obj) -> int:
    return int(at(replicas, ("metadata", "annotations", workloads.REVISION), "0"))


def _least_ready_first(items: Iterable[Obj], now: datetime) -> list[Obj]:
    """Pods in the order a ReplicaSet gives them up: those not ready, then the youngest."""

    def rank(item: Obj) -> datetime:
        life = pods.life(item)
        return life.ready_at if life.is_ready(now) else pods.NEVER

    return sorted(items, key=rank, reverse=True)


def _deployment_of(change: Change) -> Key | None:
    """The Deployment a change concerns; of Pods only deletions do."""
    obj = change.current.obj
    if obj["kind"] == "Deployment":
        return None if change.type == "DELETED" else change.key
    if change.type != "DELETED" or obj["kind"] != "Pod":
        return None
    owners = obj["metadata"].get("ownerReferences") or ()
    for owner in owners:
        if owner["kind"] == "ReplicaSet":
            return Key(change.key.namespace, owner["name"].rpartition("-")[0])
    return None
