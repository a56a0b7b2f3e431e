"""The default judge: a value passes when it lies within inclusive bounds.

The words of a check that did not pass are Flagger's event texts, letter by letter, since users'
scripts and alerts match on them. Pure. Source:
docs/compatibility/metrics.md, "Threshold semantics"; docs/compatibility/lifecycle.md, "Event texts
of metric checks".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, assert_never

from analysis import figures, verdicts, wording
from analysis.findings import NO_VALUES, Absent, CheckResult, Measurement, Sample
from analysis.metrics.checks import Check, CheckKind
from analysis.verdicts import Reason, Verdict


def judge(check: Check, measurement: Measurement) -> CheckResult:
    """What `measurement` means for `check`.

    Values are compared as measured, never rounded. Infinities are numbers; NaN (a division by no
    traffic) is no data.
    """
    if isinstance(measurement, Sample) and math.isnan(measurement.value):
        measurement = NO_VALUES
    match measurement:
        case Absent(verdict, reason):
            text = _absent(check, measurement)
            return _result(check, measurement, verdict, reason, text)
        case Sample(value):
            return _compared(check, measurement, value)
        case _:
            assert_never(measurement)


def _compared(check: Check, sample: Sample, value: float) -> CheckResult:
    if check.minimum is not None and value < check.minimum:
        text = _beyond(check, value, "<", check.minimum)
        return _result(check, sample, Verdict.FAILED, Reason.BELOW_MINIMUM, text)
    if check.maximum is not None and value > check.maximum:
        text = _beyond(check, value, ">", check.maximum)
        return _result(check, sample, Verdict.FAILED, Reason.ABOVE_MAXIMUM, text)
    return _result(check, sample, Verdict.PASSED, Reason.WITHIN_BOUNDS, "")


def _result(
    check: Check, measurement: Measurement, verdict: Verdict, reason: Reason, message: str
) -> CheckResult:
    return CheckResult(
        metric=check.metric,
        verdict=verdict,
        effect=verdicts.effect(verdict, check.policies),
        value=measurement.value if isinstance(measurement, Sample) else None,
        message=message,
        reason=reason,
        took=measurement.took,
        unit=check.unit,
        minimum=check.minimum,
        maximum=check.maximum,
    )


# -- words ----------------------------------------------------------------------------------------

_NO_TRAFFIC: Final = (
    "Halt advancement no values found for {provider} metric {metric} "
    "probably {target}.{namespace} is not receiving traffic"
)
_NO_DATA: Final[Mapping[CheckKind, str]] = {
    CheckKind.SUCCESS_RATE: _NO_TRAFFIC + ": running query failed: {cause}",
    CheckKind.DURATION: _NO_TRAFFIC,
    CheckKind.QUERY: "Halt advancement no values found for metric: {metric}",
    CheckKind.TEMPLATE: "Halt advancement no values found for custom metric: {metric}: {cause}",
    CheckKind.UNUSABLE: "{cause}",
}
_ERROR: Final[Mapping[CheckKind, str]] = {
    CheckKind.SUCCESS_RATE: "Prometheus query failed: running query failed: {cause}",
    CheckKind.DURATION: "Prometheus query failed: running query failed: {cause}",
    CheckKind.QUERY: "Prometheus query failed for {metric}: {cause}",
    CheckKind.TEMPLATE: "Metric query failed for {metric}: {cause}",
    CheckKind.UNUSABLE: "{cause}",
}


def _absent(check: Check, absence: Absent) -> str:
    """The text for a check without a value."""
    if absence.reason is Reason.INVALID_ADDRESS:
        return absence.message  # the one complaint that Flagger has a whole text for
    texts = _NO_DATA if absence.verdict is Verdict.NO_DATA else _ERROR
    return texts[check.kind].format(
        provider=check.subject.provider,
        metric=check.metric,
        target=check.subject.target,
        namespace=check.subject.namespace,
        cause=absence.message,
    )


def _beyond(check: Check, value: float, sign: str, bound: float) -> str:
    """The text for a value below (`sign` is "<") or above (">") its bound."""
    measured = figures.measured(value, check.unit, check.minimum, check.maximum)
    compared = f"{_name(check)} {measured} {sign} {figures.limit(bound, check.unit)}"
    canary = f"{check.subject.canary}.{check.subject.namespace}"
    return f"{wording.HALT.format(canary=canary)}{compared}"


def _name(check: Check) -> str:
    match check.kind:
        case CheckKind.SUCCESS_RATE:
            return "success rate"
        case CheckKind.DURATION:
            return "request duration"
        case CheckKind.QUERY | CheckKind.TEMPLATE | CheckKind.UNUSABLE:
            return check.metric
        case _:
            assert_never(check.kind)
