"""The default judge: a value passes when it lies within inclusive bounds.

The words of a check that did not pass are Flagger's event texts, letter by letter, since users'
scripts and alerts match on them; numbers are printed as Go prints them. Pure. Source:
docs/compatibility/metrics.md, "Threshold semantics"; docs/compatibility/lifecycle.md, "Event texts
of metric checks".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, assert_never

from analysis import verdicts
from analysis.findings import NO_VALUES, Absent, CheckResult, Measurement, Sample
from analysis.metrics.checks import Check, CheckKind
from analysis.verdicts import Reason, Verdict
from config import durations


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

#: Powers of ten between which Go's `%v` prints no exponent.
_PLAIN_FROM: Final = -4
_PLAIN_UP_TO: Final = 6

#: Milliseconds beyond Go's range of durations, about 292 years.
_LONGEST: Final = 2**63 / 1e6


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
    match check.kind:
        case CheckKind.SUCCESS_RATE:
            compared = f"success rate {_fixed(value)}% {sign} {shortest(bound)}%"
        case CheckKind.DURATION:
            compared = f"request duration {_duration(value, sign, bound)} {sign} {_exact(bound)}"
        case CheckKind.QUERY | CheckKind.TEMPLATE | CheckKind.UNUSABLE:
            compared = f"{check.metric} {_fixed(value)} {sign} {shortest(bound)}"
        case _:
            assert_never(check.kind)
    return f"Halt {check.subject.canary}.{check.subject.namespace} advancement {compared}"


def _fixed(value: float) -> str:
    """`value` with two decimals, as Go's `%.2f`."""
    return f"{value:.2f}" if math.isfinite(value) else _special(value)


def shortest(value: float) -> str:
    """The fewest digits that give back `value`, as Go's `%v`: 99, 99.5, 1e+06, 1e-05."""
    if not math.isfinite(value):
        return _special(value)
    negative, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    scale = int(exponent)  # a letter only for values that are not finite
    power = len(digits) - 1 + scale
    if _PLAIN_FROM <= power < _PLAIN_UP_TO:
        return format(Decimal((negative, digits, scale)), "f")
    mantissa = "".join(map(str, digits[1:]))
    point = "." if mantissa else ""
    return f"{'-' * negative}{digits[0]}{point}{mantissa}e{power:+03d}"


def _special(value: float) -> str:
    """Infinities and NaN in the words of Go."""
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _duration(milliseconds: float, sign: str, bound: float) -> str:
    """The measured duration: whole milliseconds, as Flagger prints it, where that is enough.

    A value so near to its bound that its whole milliseconds would not break it is printed to the
    microsecond, rounded away from the bound: `500.001ms > 500ms`.
    """
    if abs(milliseconds) >= _LONGEST:
        return _exact(milliseconds)
    whole, printed = math.trunc(milliseconds), round(bound, 3)  # which is what the reader compares
    is_beyond = whole < printed if sign == "<" else whole > printed
    if is_beyond:
        return durations.format_go(timedelta(milliseconds=whole))
    rounding = ROUND_FLOOR if sign == "<" else ROUND_CEILING
    microseconds = (Decimal(repr(milliseconds)) * 1000).to_integral_value(rounding)
    return durations.format_go(timedelta(microseconds=int(microseconds)))


def _exact(milliseconds: float) -> str:
    """The duration to the microsecond; one that Go's type cannot hold, as a number."""
    if not math.isfinite(milliseconds):
        return _special(milliseconds)
    if abs(milliseconds) >= _LONGEST:
        return f"{shortest(milliseconds)}ms"
    return durations.format_go(timedelta(milliseconds=milliseconds))
