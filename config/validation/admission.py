"""Whether a Canary as written can be acted on, and what its author should know. Pure.

What only other objects in the cluster show is `scheduler.conflicts`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from config import derived, meshes
from config.api.canary import Canary
from config.validation import hints, manifests, support
from config.validation.problems import InvalidSpec, Problem, ProblemReason
from config.validation.support import CarriedOut

UNREADABLE: Final = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What reading an object of an impossible shape raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What operators decide about manifests, and what there is to carry them out."""

    able: CarriedOut
    default_provider: str = meshes.ISTIO
    block_cross_namespace_refs: bool = False
    shortest_interval: timedelta = derived.MIN_INTERVAL


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a manifest; `canary` is None when it cannot be acted on."""

    canary: Canary | None
    problems: tuple[Problem, ...]


def admit(raw: Mapping[str, Any], policy: Policy) -> Judgement:
    """The judgement on the manifest `raw`, whatever JSON it is."""
    try:
        canary = manifests.load_canary(
            raw, block_cross_namespace_refs=policy.block_cross_namespace_refs
        )
        problems = (
            *support.not_carried_out(canary, policy.default_provider, policy.able),
            *hints.warnings(canary, policy.shortest_interval, policy.default_provider),
        )
    except InvalidSpec as invalid:
        return Judgement(None, invalid.problems)
    except meshes.UnknownMesh as unknown:
        return Judgement(None, (_invalid("spec.provider", str(unknown)),))
    except UNREADABLE as error:  # one odd object must not stop the canaries listed with it
        return unreadable(f"{error!r:.200}")
    return Judgement(None if _is_blocked(problems) else canary, problems)


def unreadable(why: str) -> Judgement:
    """The judgement on an object that nobody can read."""
    return Judgement(None, (_invalid("", f"the object cannot be read: {why}"),))


def _invalid(field: str, text: str) -> Problem:
    return Problem.of(field, text, ProblemReason.INVALID_SPEC, blocking=True)


def _is_blocked(problems: Iterable[Problem]) -> bool:
    return any(problem.blocking for problem in problems)
