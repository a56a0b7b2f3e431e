"""What a check can come to, and what that means for the rollout.

Judging (`judges/`) gives a Verdict; the policies of the metric turn it into an Effect; the rules
act on effects alone. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from config.api.metrics import MissingValuePolicy


class Verdict(StrEnum):
    """What one check came to, declared from best to worst.

    A measured failure is worst, because it is known; an error outranks missing data, because it
    hides whether there was any.
    """

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no-data"
    ERROR = "error"
    FAILED = "failed"


class Effect(StrEnum):
    """What a check does to the rollout, declared from best to worst."""

    PASSES = "passes"
    """The rollout may advance."""

    HOLDS = "holds"
    """The rollout does not advance in this tick; no failed check is counted."""

    COUNTS = "counts"
    """The rollout does not advance and one failed check is counted."""


class Reason(StrEnum):
    """Why a check came to its verdict; CamelCase, as in Kubernetes conditions."""

    WITHIN_BOUNDS = "WithinBounds"
    BELOW_MINIMUM = "BelowMinimum"
    ABOVE_MAXIMUM = "AboveMaximum"
    NO_VALUES = "NoValuesFound"
    MULTIPLE_VALUES = "MultipleValues"
    UNREADABLE_ANSWER = "UnreadableAnswer"
    QUERY_REFUSED = "QueryRefused"
    QUERY_NOT_RENDERED = "QueryNotRendered"
    NO_QUERY = "NoQuery"
    NO_TEMPLATE = "TemplateNotFound"
    INVALID_TEMPLATE = "InvalidTemplate"
    NO_CREDENTIALS = "CredentialsNotUsable"
    NOT_SUPPORTED = "NotSupported"
    INVALID_ADDRESS = "InvalidServerAddress"
    UNREACHABLE = "ServerUnreachable"
    TIMED_OUT = "TimedOut"
    THROTTLED = "Throttled"
    SERVER_ERROR = "ServerError"
    CIRCUIT_OPEN = "CircuitOpen"


@dataclass(frozen=True, slots=True)
class Policies:
    """How a metric treats what is not a measured value; the default is Flagger's behaviour."""

    on_no_data: MissingValuePolicy = MissingValuePolicy.FAIL
    on_error: MissingValuePolicy = MissingValuePolicy.FAIL


_EFFECTS: Final = {
    MissingValuePolicy.FAIL: Effect.COUNTS,
    MissingValuePolicy.HOLD: Effect.HOLDS,
    MissingValuePolicy.PASS: Effect.PASSES,
}


def effect(verdict: Verdict, policies: Policies = Policies()) -> Effect:
    """What `verdict` does to the rollout under `policies`; an inconclusive check always holds."""
    match verdict:
        case Verdict.PASSED:
            return Effect.PASSES
        case Verdict.FAILED:
            return Effect.COUNTS
        case Verdict.INCONCLUSIVE:
            return Effect.HOLDS
        case Verdict.NO_DATA:
            return _EFFECTS[policies.on_no_data]
        case Verdict.ERROR:
            return _EFFECTS[policies.on_error]
        case _:
            assert_never(verdict)
