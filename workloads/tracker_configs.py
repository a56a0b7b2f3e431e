"""Reads ConfigMaps and Secrets, and writes the copies of them that primaries use.

What they hold is in memory for the length of a call, and reaches nothing but the copies. The words
of an API server about a Secret are not repeated: who knows what it quotes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from clients import errors
from clients.documents import world as worlds
from clients.documents.configs import ConfigKind, ConfigRef, Content
from clients.documents.world import WorkloadView, World
from clients.kube import resources
from clients.kube.protocol import Kube, Object
from config import well_known
from config.api.canary import Canary
from workloads import tracker, tracker_objects
from workloads.primary import Copying
from workloads.tracker import Release

KEY_NAME: Final = "coalmine-digest-key"
"""Secret of each namespace in which Secrets are tracked: what their digests are keyed with."""

KEY_TYPE: Final = "coalmine.dev/digest-key"

KEY_BYTES: Final = 32

_FIELD: Final = "key"

NewKey = Callable[[], bytes]
"""Gives 32 fresh random bytes."""


class Original(NamedTuple):
    """A tracked ConfigMap or Secret of a target, as it was read."""

    ref: ConfigRef
    raw: Object


@dataclass(slots=True)
class Configs:
    """The configs of one canary's workloads, for one run.

    `contents` is what is known of them by key, which grows; `versions` as in `World.configs`.
    """

    kube: Kube
    canary: Canary
    new_key: NewKey
    contents: dict[str, Content] = field(default_factory=dict)
    versions: Mapping[str, str] | None = None
    _key: bytes | None = None

    @classmethod
    def of(cls, kube: Kube, canary: Canary, new_key: NewKey, world: World) -> Configs:
        """Those of `canary`, as far as they are known in `world`."""
        return cls(kube, canary, new_key, dict(world.contents or {}), world.configs)

    def read(self, keys: Iterable[str]) -> None:
        """Takes in what the configs with these keys hold. Raises the errors of the door."""
        for key in keys:
            self._look(ConfigRef.of(key))

    def release(self, view: WorkloadView, role: str) -> Release:
        """What a workload runs; what of it is not known yet is read."""
        known = tracker.release(view, role, self.contents, self.versions)
        if not known.unread:
            return known
        self.read(known.unread)
        return tracker.release(view, role, self.contents)

    def originals(self, view: WorkloadView) -> tuple[Release, tuple[Original, ...]]:
        """What a target runs by now, and its tracked configs to be copied, all read for that.

        Raises NotFound for one that is not there and must be.
        """
        originals: list[Original] = []
        for ref in view.configs:
            raw = self._look(ref)
            if raw is None and not ref.optional:
                named = tracker_objects.named(ref, self.canary)
                raise errors.NotFound(f"{named} get query error: not found")
            if raw is not None and self.contents[ref.key].digest:
                originals.append(Original(ref, raw))
        return tracker.release(view, worlds.TARGET, self.contents), tuple(originals)

    def copy(self, originals: Sequence[Original], copying: Copying) -> None:
        """Gives the primary its copies; those that are as they should be are not written.

        Raises Conflict for one that changed meanwhile, Permanent for a name that is taken.
        """
        for original in originals:
            self._copy(original, copying)

    def _copy(self, original: Original, copying: Copying) -> None:
        ref, raw = original
        target = ConfigRef(ref.kind, ref.name + well_known.PRIMARY_SUFFIX)
        live = self._get(target)
        wanted = tracker_objects.copy(self.canary, ref, raw, live, copying)
        if live is None:
            return self._note(target, self._create(target, wanted))
        if tracker_objects.is_stranger(live, raw):
            named = tracker_objects.named(target, self.canary)
            raise errors.Permanent(f"{named} was not made for a canary: delete it, or rename it")
        if wanted == live:
            return self._note(target, live)
        if tracker_objects.must_be_made_anew(live, wanted):
            with self._told("deleting", target):
                self.kube.delete(*self._place(target), target.name)
            made = self._create(target, tracker_objects.without_identity(wanted))
        else:
            with self._told("updating", target):
                made = self.kube.replace(*self._place(target), target.name, wanted)
        return self._note(target, made)

    def _create(self, ref: ConfigRef, body: Object) -> Object:
        with self._told("creating", ref):
            return self.kube.create(*self._place(ref), body)

    def _look(self, ref: ConfigRef) -> Object | None:
        raw = self._get(ref)
        self._note(ref, raw)
        return raw

    def _get(self, ref: ConfigRef) -> Object | None:
        try:
            with self._told("get", ref):
                return self.kube.get(*self._place(ref), ref.name)
        except errors.NotFound:
            return None

    def _note(self, ref: ConfigRef, raw: Object | None) -> None:
        is_keyed = raw is not None and ref.kind is ConfigKind.SECRET
        key = self._digest_key() if is_keyed else b""
        self.contents[ref.key] = (
            Content() if raw is None else tracker_objects.content(ref, raw, key)
        )

    def _digest_key(self) -> bytes:
        """The key of the namespace, made by whoever needs it first."""
        if self._key is None:
            self._key = _key_in(self._key_object())
        return self._key

    def _key_object(self) -> Object:
        ref = ConfigRef(ConfigKind.SECRET, KEY_NAME)
        known = self._get(ref)
        if known is not None:
            return known
        made = _key_secret(self.canary.namespace, self.new_key())
        try:
            return self._create(ref, made)
        except errors.AlreadyExists:
            with self._told("get", ref):
                return self.kube.get(*self._place(ref), KEY_NAME)

    def _place(self, ref: ConfigRef) -> tuple[resources.Resource, str]:
        return tracker_objects.RESOURCES[ref.kind], self.canary.namespace

    @contextmanager
    def _told(self, doing: str, ref: ConfigRef) -> Iterator[None]:
        """A block whose errors are in the words of Flagger's events, and say nothing of a value."""
        try:
            yield
        except errors.ClientError as refused:
            named = tracker_objects.named(ref, self.canary)
            said = f"{named} get query error" if doing == "get" else f"{doing} {named} failed"
            words = refused.message
            if ref.kind is ConfigKind.SECRET:
                words = refused.reason or type(refused).__name__
            raise type(refused)(
                f"{said}: {words}",
                status=refused.status,
                reason=refused.reason,
                retry_after=refused.retry_after,
            ) from None


def _key_secret(namespace: str, key: bytes) -> dict[str, Any]:
    return {
        "apiVersion": resources.SECRETS.api_version,
        "kind": resources.SECRETS.kind,
        "metadata": {"name": KEY_NAME, "namespace": namespace},
        "type": KEY_TYPE,
        "immutable": True,
        "data": {_FIELD: base64.b64encode(key).decode()},
    }


def _key_in(raw: Object) -> bytes:
    """The key that a Secret holds. Raises Permanent for one that holds none."""
    try:
        return base64.b64decode(raw["data"][_FIELD], validate=True)
    except (LookupError, TypeError, ValueError):
        namespace = raw["metadata"].get("namespace")
        message = f"secret {KEY_NAME}.{namespace} has no {_FIELD}: delete it, a new one is made"
        raise errors.Permanent(message) from None
