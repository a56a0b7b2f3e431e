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
    if isinstance(measurement, Sample) and math.isnan(measurement.value):
        measurement = _NOT_A_NUMBER
    match measurement:
        case Absent(verdict, reason):
            text = wording.absent(check, measurement)
            return _result(check, measurement, verdict, reason, text)
        case Sample(value):
            return _compared(check, measurement, value)
        case _:
            assert_never(measurement)


def _compared(check: Check, sample: Sample, value: float) -> CheckResult:
    if check.minimum is not None and value < check.minimum:
        text = wording.beyond(check, value, "<", check.minimum)
        return _result(check, sample, Verdict.FAILED, Reason.BELOW_MINIMUM, text)
    if check.maximum is not None and value > check.maximum:
        text = wording.beyond(check, value, ">", check.maximum)
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
