"""`spec.analysis`: strategy, checks, hooks and alerts of a rollout."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from config.api.hooks import Alert, SessionAffinity, Webhook
from config.api.istio import AnalysisMatchRequest, RequiredStringMatch
from config.api.metrics import MetricCheck
from config.api.model import EMPTY_IS_UNSET, Flag, Model, Text, Whole, described, switch
from config.durations import STRICT_PATTERN

STRATEGY_KEYS: Final = ("iterations", "stepWeight", "stepWeights")


class ThresholdMode(StrEnum):
    """How failed checks are counted against the threshold."""

    CUMULATIVE = "cumulative"
    CONSECUTIVE = "consecutive"


class HeaderCondition(Model):
    """A condition on one header."""

    name: Text = Field(description="Name of the header.")
    value: RequiredStringMatch = Field(description="Comparison; exactly one key.")


class ABTestEntry(Model):
    """Requests that go to the canary during a rollout whatever its weight."""

    header: HeaderCondition = Field(description="The condition on a header.")


StepDuration = Annotated[Text, Field(json_schema_extra={"pattern": STRICT_PATTERN})]

_ONE_STRATEGY: Final[dict[str, Any]] = {
    "oneOf": [{"required": ["interval", "threshold", key]} for key in STRATEGY_KEYS]
}


class Analysis(Model):
    """How traffic moves to the canary and what it must pass on the way.

    Exactly one of iterations, stepWeight and stepWeights is given.
    """

    model_config = ConfigDict(json_schema_extra=_ONE_STRATEGY)

    interval: Text | None = described(
        "Time between checks, such as 30s or 1m30s; at least 10s.", pattern=STRICT_PATTERN
    )
    threshold: Whole = described(
        "Failed checks at which the rollout is rolled back; at least 1.", 0
    )
    threshold_mode: Annotated[ThresholdMode, EMPTY_IS_UNSET] = described(
        "Whether failed checks count over the whole rollout (cumulative, the default) or in a "
        "row (consecutive). Addition to Flagger.",
        ThresholdMode.CUMULATIVE,
    )
    gate_deadline: Text | None = described(
        "How long a gate may be closed before the rollout is rolled back; for ever when empty. "
        "Addition to Flagger.",
        pattern=STRICT_PATTERN,
    )
    initial_delay: Text | None = described(
        "How long the canary runs, ready and without traffic, before its first step. Addition to "
        "Flagger.",
        pattern=STRICT_PATTERN,
    )
    max_duration: Text | None = described(
        "How long a rollout may take until its promotion before it is rolled back; for ever when "
        "empty. Addition to Flagger.",
        pattern=STRICT_PATTERN,
    )
    step_durations: tuple[StepDuration, ...] = described(
        "How long each step lasts at least, in the order of the steps, checked at every interval; "
        "steps without a value, or with a shorter one such as 0s, last an interval. Addition to "
        "Flagger.",
        (),
    )
    rollback_window: Text | None = described(
        "For how long after a promotion the revision promoted before it is promoted without "
        "analysis when it is released again. Addition to Flagger.",
        pattern=STRICT_PATTERN,
    )
    iterations: Whole = described("Number of checks of a blue/green or A/B rollout.", 0)
    max_weight: Whole = described("Canary weight in percent at which the rollout is promoted.", 0)
    step_weight: Whole = described("Percent that moves at each step.", 0)
    step_weights: tuple[Whole, ...] = described(
        "Canary weights in percent, one per step, increasing.", ()
    )
    step_weight_promotion: Whole = described(
        "Percent that moves back to the primary at each step of the promotion; all at once when 0.",
        0,
    )
    mirror: Flag = switch("Whether requests are copied to the canary.")
    mirror_weight: Whole = described("Percent of requests copied; all of them when 0 (Istio).", 0)
    primary_ready_threshold: Whole = described(
        "Percent of updated primary pods that must be available; 100 when absent.", 100
    )
    canary_ready_threshold: Whole = described(
        "Percent of updated canary pods that must be available; 100 when absent.", 100
    )
    match: tuple[AnalysisMatchRequest, ...] = described(
        "Conditions that choose the users of an A/B test.", ()
    )
    a_b_test: tuple[ABTestEntry, ...] = described(
        "Requests that go to the canary during a weighted rollout, everybody else following the "
        "weights. Addition to Flagger.",
        (),
        alias="a_b_test",
    )
    metrics: tuple[MetricCheck, ...] = described(
        "Metric checks, in the order in which they are made.", ()
    )
    alerts: tuple[Alert, ...] = described(
        "Who is alerted; replaces the global receivers when not empty.", ()
    )
    webhooks: tuple[Webhook, ...] = described("Hooks, called in this order within each type.", ())
    session_affinity: SessionAffinity | None = described(
        "Keeps users at the version they were first given."
    )
