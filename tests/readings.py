"""What tests ask of a metric reader."""

from collections.abc import Iterable

from analysis.findings import CheckResult
from analysis.metrics.checks import Check
from analysis.metrics.reader import MetricReader


def measured(reader: MetricReader, checks: Iterable[Check]) -> tuple[CheckResult, ...]:
    """One result per check, in the order of `checks`."""
    (results,) = (wave[""] for wave in reader.measure_each({"": tuple(checks)}))
    return results
