"""Whether a Canary as written can be acted on, and what its author should know. Pure.

`config.validation` finds what is wrong; here it gets the form in which it is stored, shown in the
status and told in events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from clients.documents.world import Admission, Problem
from clients.kube import decoding
from clients.kube.protocol import Object
from config import derived, meshes
from config.api.canary import Canary
from config.refs import CanaryRef
from config.settings.groups import CanarySettings
from config.validation import manifests, support
from tasks.registries import BUILT_IN, Registries

INVALID_SPEC: Final = "InvalidSpec"
NOT_CARRIED_OUT: Final = "NotCarriedOut"
DEPRECATED: Final = "Deprecated"
SUSPICIOUS: Final = "Suspicious"
TARGET_CONFLICT: Final = "TargetConflict"
NAME_CONFLICT: Final = "NameConflict"
ODD_OBJECT: Final = "OddObject"

TARGET_FIELD: Final = "spec.targetRef.name"
SERVICE_FIELD: Final = "spec.service.name"

UNREADABLE: Final = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What reading an object of an impossible shape raises."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What operators decide about manifests, and what there is to carry them out."""

    default_provider: str = meshes.ISTIO
    block_cross_namespace_refs: bool = False
    shortest_interval: timedelta = derived.MIN_INTERVAL
    registries: Registries = BUILT_IN

    @classmethod
    def of(cls, settings: CanarySettings, registries: Registries) -> Policy:
        """The policy that the settings describe."""
        return cls(
            settings.mesh_provider,
            settings.no_cross_namespace_refs,
            settings.interval_floor,
            registries,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a manifest; `canary` is None when it cannot be acted on."""

    canary: Canary | None
    problems: tuple[Problem, ...]


def admit(raw: Object, policy: Policy) -> Judgement:
    """The judgement on the manifest `raw`, whatever JSON it is."""
    if isinstance(raw, decoding.Odd):
        return Judgement(None, (_invalid(f"the object cannot be read: {raw.reason}"),))
    try:
        canary = manifests.load_canary(
            raw, block_cross_namespace_refs=policy.block_cross_namespace_refs
        )
        found = (*_unsupported(canary, policy), *_hints(canary, policy))
    except manifests.InvalidSpec as invalid:
        return Judgement(None, tuple(_invalid(str(problem)) for problem in invalid.problems))
    except meshes.UnknownMesh as unknown:
        return Judgement(None, (_invalid(f"spec.provider: {unknown}"),))
    except UNREADABLE as error:  # one odd object must not stop the canaries listed with it
        return Judgement(None, (_invalid(f"the object cannot be read: {error!r:.200}"),))
    return Judgement(None if _is_blocked(found) else canary, found)


def conflict(reason: str, field: str, name: str, taken: str, owner: CanaryRef) -> Problem:
    """The problem of a canary whose `field` wants what `owner` has: `taken`, as in "kind name"."""
    message = (
        f'{field}: Invalid value: "{name}": {taken}.{owner.namespace} is already that of canary '
        f"{owner}; allowed is a name that no other canary uses, nor its -primary and -canary"
    )
    return Problem(reason=reason, message=message, blocking=True)


def _is_blocked(found: Iterable[Problem]) -> bool:
    return any(problem.blocking for problem in found)


def _invalid(message: str) -> Problem:
    return Problem(reason=INVALID_SPEC, message=message, blocking=True)


def _unsupported(canary: Canary, policy: Policy) -> Iterator[Problem]:
    able = policy.registries.carried_out
    for field in support.not_carried_out(canary, policy.default_provider, able):
        yield Problem(reason=NOT_CARRIED_OUT, message=str(field), blocking=field.blocking)


def _hints(canary: Canary, policy: Policy) -> Iterator[Problem]:
    for hint in manifests.warnings(canary, policy.shortest_interval):
        reason = DEPRECATED if "is deprecated" in hint.message else SUSPICIOUS
        yield Problem(reason=reason, message=str(hint), blocking=False)


def stored(raw: Object, problems: tuple[Problem, ...], left_by: tuple[str, ...]) -> Admission:
    """Which object was judged, and what was found."""
    metadata = raw["metadata"]
    generation = metadata.get("generation")
    return Admission(
        uid=str(metadata.get("uid") or ""),
        generation=generation if isinstance(generation, int) else 0,
        deleting=bool(metadata.get("deletionTimestamp")),
        left_by=left_by,
        problems=problems,
    )
