"""What was found out for one tick: measurements, judged checks, answered hooks.

Made by the metric reader, the judges and the hook workers; read by the rules. Only values: whoever
measures never raises, a failure to measure is a finding too. Hook results are kept in Redis until
a decision is made from them, hence their JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from analysis.verdicts import Effect, Reason, Verdict
from clients.documents.calls import HookCalls as HookCalls
from clients.documents.calls import HookResult as HookResult
from config.api.hooks import WebhookType

_KINDS_OF_ABSENCE = (Verdict.NO_DATA, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Sample:
    """A number a metrics server gave; infinities are numbers, NaN is not (it is an Absent)."""

    value: float
    took: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Absent:
    """Why there is no number: NO_DATA or ERROR, with the cause in `message`."""

    verdict: Verdict
    reason: Reason
    message: str
    took: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if self.verdict not in _KINDS_OF_ABSENCE:
            raise ValueError(f"verdict {self.verdict} needs a value; allowed: no-data, error")


Measurement = Sample | Absent

NO_VALUES: Final = Absent(Verdict.NO_DATA, Reason.NO_VALUES, "no values found")
"""What a query is answered with that gives no series, or a number that is none."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One judged check.

    `message` is the text of the Warning event, empty when the check passed; see
    docs/compatibility/lifecycle.md, "Event texts of metric checks". `value`, `minimum` and
    `maximum` are in `unit` ("%", "ms", or "" for queries of the user); a bound that does not exist
    is None. `took` is the time the answer took.
    """

    metric: str
    verdict: Verdict
    effect: Effect
    value: float | None
    message: str
    reason: Reason
    took: timedelta = timedelta(0)
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found out; None means "not asked", an empty collection "asked, nothing there".

    `hooks` maps a type of webhooks to their results in list order, once all have answered or one
    has called the rollout off; `calls` is how far they are until then. `backends` are the errors
    of probing the metric servers.
    """

    hooks: Mapping[WebhookType, tuple[HookResult, ...]] | None = None
    calls: HookCalls = field(default_factory=HookCalls)
    checks: tuple[CheckResult, ...] | None = None
    backends: tuple[str, ...] | None = None
