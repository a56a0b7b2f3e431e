"""The default judge: a value passes when it lies within inclusive bounds.

Source: docs/compatibility/metrics.md, "Threshold semantics". Pure.
"""

from __future__ import annotations

import math
from typing import assert_never

from analysis import verdicts
from analysis.findings import Absent, CheckResult, Measurement, Sample
from analysis.judges import wording
from analysis.metrics.checks import Check
from analysis.verdicts import Reason, Verdict

_NOT_A_NUMBER = Absent(Verdict.NO_DATA, Reason.NO_VALUES, "no values found")


def judge(check: Check, measurement: Measurement) -> CheckResult:
    """What `measurement` means for `check`.

    Values are compared as measured, never rounded. Infinities are numbers; NaN (a division by no
    traffic) is no data.
    """
    match measurement:
        case Absent():
            return _without_value(check, measurement)
        case Sample():
            return _with_value(check, measurement)
        case _:
            assert_never(measurement)


def _with_value(check: Check, sample: Sample) -> CheckResult:
    value = sample.value
    if math.isnan(value):
        return _without_value(check, _NOT_A_NUMBER)
    if check.minimum is not None and value < check.minimum:
        text = wording.below(check, value, check.minimum)
        return _result(check, sample, Verdict.FAILED, Reason.BELOW_MINIMUM, text)
    if check.maximum is not None and value > check.maximum:
        text = wording.above(check, value, check.maximum)
        return _result(check, sample, Verdict.FAILED, Reason.ABOVE_MAXIMUM, text)
    return _result(check, sample, Verdict.PASSED, Reason.WITHIN_BOUNDS, "")


def _without_value(check: Check, absence: Absent) -> CheckResult:
    text = wording.absent(check, absence)
    return _result(check, absence, absence.verdict, absence.reason, text)


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
