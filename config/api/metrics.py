"""`spec.analysis.metrics`: the checks a rollout must pass."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from config.api.model import EMPTY_IS_UNSET, Model, Number, StringMap, Text, described
from config.durations import STRICT_PATTERN

REQUEST_SUCCESS_RATE: Final = "request-success-rate"
REQUEST_DURATION: Final = "request-duration"

#: Names that select a query of the traffic provider.
BUILTIN_METRICS: Final = (REQUEST_SUCCESS_RATE, REQUEST_DURATION)


class MissingValuePolicy(StrEnum):
    """What a check without a value means for the tick."""

    FAIL = "fail"
    HOLD = "hold"
    PASS = "pass"  # noqa: S105


class ThresholdRange(Model):
    """Inclusive bounds of a value; each side optional."""

    min: Number | None = described("Smallest value that passes.")
    max: Number | None = described("Largest value that passes.")


class TemplateRef(Model):
    """The MetricTemplate to run."""

    name: Text = Field(description="Name of the MetricTemplate.")
    namespace: Text | None = described("Its namespace; the canary's when empty.")


class MetricCheck(Model):
    """One check: a builtin metric by name, an inline query or a template."""

    name: Text = Field(
        description="request-success-rate and request-duration select builtin queries; any "
        "other name labels the check in events and metrics."
    )
    interval: Text | None = described(
        "Window of the query, such as 1m; 1m when empty.", pattern=STRICT_PATTERN
    )
    threshold: Number | None = described(
        "Deprecated, use thresholdRange. Smallest success rate; largest value of anything else."
    )
    threshold_range: ThresholdRange | None = described(
        "Inclusive bounds: percent for request-success-rate, milliseconds for "
        "request-duration, the value itself otherwise."
    )
    query: Text | None = described("PromQL run against the metrics server; rendered first.")
    template_ref: TemplateRef | None = described("The MetricTemplate to run.")
    template_variables: StringMap = described("Values of variables in the query.", {})
    on_no_data: Annotated[MissingValuePolicy, EMPTY_IS_UNSET] = described(
        "What a check without data does: fail costs a failed check (the default), hold waits "
        "without cost, pass ignores it. Addition to Flagger.",
        MissingValuePolicy.FAIL,
    )
    on_error: Annotated[MissingValuePolicy, EMPTY_IS_UNSET] = described(
        "What a check that could not be made does: fail costs a failed check (the default), "
        "hold waits without cost, pass ignores it. Addition to Flagger.",
        MissingValuePolicy.FAIL,
    )

    @property
    def is_builtin(self) -> bool:
        """Whether the name selects a query of the traffic provider."""
        return self.name in BUILTIN_METRICS
