"""The texts of Kubernetes events, letter by letter those that users and scripts know.

Source: the event catalogue of Flagger. `{c}` names the canary, `{t}` its target, of kind `{k}`,
`{p}` its primary, `{}` a cause or a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from analysis import wording
from analysis.waiting import Waiting
from config import names
from config.api.canary import Canary
from config.api.hooks import AlertSeverity, WebhookType
from config.api.references import TargetKind
from config.refs import CanaryRef


@dataclass(frozen=True, slots=True)
class AlertText:
    """What people are alerted of besides an event.

    A `detailed` one has Flagger's further fields. Source: docs/compatibility/alerts.md, "What is
    told".
    """

    severity: AlertSeverity
    text: str
    detailed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One thing worth telling; `message` is a sentence.

    What is told again and again has `first`, when it was told first, and `times`, how often. One
    that is `muted` is told, and alerts nobody. One that says what phase is entered `is_entering`
    is told with that phase, others with the one before. Those with an `alert` alert people.
    """

    severity: AlertSeverity
    message: str
    first: datetime | None = None
    times: int = 1
    muted: bool = False
    is_entering: bool = False
    alert: AlertText | None = None


_info = partial(AlertText, AlertSeverity.INFO)
_warn = partial(AlertText, AlertSeverity.WARN)
_error = partial(AlertText, AlertSeverity.ERROR)

normal = partial(Event, AlertSeverity.INFO)
"""An event that reports progress."""

entering = partial(Event, AlertSeverity.INFO, is_entering=True)
"""An event that reports that a phase has begun."""

warning = partial(Event, AlertSeverity.WARN)
"""An event that somebody should read."""

failure = partial(Event, AlertSeverity.ERROR)
"""An event that somebody should act on: a release did not make it."""


def repeated(event: Event, waiting: Waiting) -> Event:
    """`event` as one of those that tell of `waiting`."""
    return replace(event, first=waiting.first_told, times=waiting.times)


def summary(events: Iterable[Event]) -> str:
    """What `events` say, in one line."""
    return "; ".join(event.message for event in events)


def _about(
    tell: Callable[[str], Event], text: str, alert: AlertText | None = None
) -> Callable[[Canary], Event]:
    """Tells `text` of a canary."""
    return lambda canary: _alerting(tell(_filled(text, canary)), alert, canary)


def _because(
    tell: Callable[[str], Event], text: str, alert: AlertText | None = None
) -> Callable[[Canary, str | int], Event]:
    """Tells `text` of a canary, with a cause or a number."""
    return lambda canary, detail: _alerting(
        tell(_filled(text, canary, detail)), alert, canary, detail
    )


def _alerting(event: Event, alert: AlertText | None, canary: Canary, *details: str | int) -> Event:
    if alert is None:
        return event
    kind = canary.spec.target_ref.kind
    text = alert.text.format(*details, kind=kind, t=canary.spec.target_ref.name)
    return replace(event, alert=replace(alert, text=text))


def _filled(text: str, canary: Canary, *details: str | int) -> str:
    """`text` with the names of workloads as `name.namespace`, and their kind in lower case."""
    named = {
        "c": canary.name,
        "t": canary.spec.target_ref.name,
        "p": names.primary_workload(canary),
    }
    full = {key: f"{name}.{canary.namespace}" for key, name in named.items()}
    return text.format(*details, k=canary.spec.target_ref.kind.lower(), **full)


SUSPENDED = normal("skipping canary run as object is suspended")
PROVIDERS_AVAILABLE = normal(wording.PROBED)
TO_PRIMARY = normal("Routing all traffic to primary")
TO_CANARY = normal("Routing all traffic to canary")
MIRROR_TO_CANARY = normal("Stop traffic mirroring and route all traffic to canary")

initialized = _about(
    normal,
    "Initialization done! {c}",
    _info("New {kind} detected, initialization completed.", detailed=True),
)
known_revision = _about(normal, "{t} is back at the revision before, no analysis is needed")
new_revision = _about(
    entering,
    "New revision detected! Scaling up {t}",
    _info("New revision detected, progressing canary analysis.", detailed=True),
)
restarting = _about(normal, "New revision detected! Restarting analysis for {t}")
starting_analysis = _about(normal, "Starting canary analysis for {t}")
advance = _because(normal, "Advance {c} canary weight {}")
iteration = _because(normal, "Advance {c} canary iteration {}")
advance_primary = _because(normal, "Advance {c} primary weight {}")
copying = _about(normal, "Copying {t} template spec to {p}")
promoted = _about(
    entering,
    "Promotion completed! Scaling down {t}",
    _info("Canary analysis completed successfully, promotion finished."),
)
promoted_unanalysed = _about(
    entering,
    "Promotion completed! Canary analysis was skipped for {t}",
    _info("Canary analysis was skipped, promotion finished."),
)

terminating = _about(normal, "Terminating canary {c}")
terminated = _about(normal, "Terminated canary {c}")
# why a step waits, or a rollout is called off
awaiting_target = _about(warning, "{c} waits for its target: {k} {t} not found")
configs_unknown = _because(warning, "{c} waits for the configuration of {t}: {}")
not_applied = _because(warning, "{c} waits for its {} to be applied")
withdrawn = _about(normal, "{c} needs no approval any more, {k} {t} has no new revision")
webhook_rollback = _about(
    warning,
    "Rolling back {c} manual webhook invoked",
    _warn("Rolling back manual webhook invoked"),
)
gate_overdue = _because(
    warning,
    "Rolling back {c} gate deadline exceeded {}",
    _error("Rolling back gate deadline exceeded {}"),
)
rollout_overdue = _because(
    warning,
    "Rolling back {c} maximum duration exceeded {}",
    _error("Rolling back maximum duration exceeded {}"),
)
threshold_reached = _because(
    warning,
    "Rolling back {c} failed checks threshold reached {}",
    _error("Failed checks threshold reached {}"),
)
deadline_exceeded = _because(
    warning,
    "Rolling back {c} progress deadline exceeded {}",
    _error("Progress deadline exceeded {}"),
)
called_off = _because(
    warning,
    "Rolling back {c} {}",
    _warn("Rolling back {}"),
)
target_replaced = _because(
    warning, "Target of {c} is now {t}, initializing; the primary of {} serves meanwhile"
)
not_ready_to_end = _because(
    warning, "canary not ready during finalizing: canary {k} {t} not ready: {}"
)
reverted = _about(
    warning,
    "Rolling back {c} target reverted to the promoted revision",
    _warn("Rolling back target reverted to the promoted revision"),
)
target_gone = _about(
    warning,
    "Rolling back {c} {k} {t} not found",
    _error("Rolling back target {t} not found"),
)
hooks_lost = _because(warning, "Halt {c} advancement no answer to the {} webhooks")

# the rollout ended badly: traffic goes back to the primary, or stays with the canary
failed = _about(partial(failure, is_entering=True), "Canary failed! Scaling down {c}")
promotion_failed = _because(
    failure,
    "Promotion of {t} failed, primary not ready: {}",
    _error("Promotion failed, primary not ready: {}"),
)
copy_failed = _because(
    failure,
    "Promotion of {t} failed, primary not updated: {}",
    _error("Promotion failed, primary not updated: {}"),
)

# a side that cannot serve what it carries
route_unwritable = _about(warning, "Scaling down {t} although its route could not be changed")
primary_lost = _because(
    warning,
    "Routing all traffic to {t}, {p} lost: {}",
    _error("Routing all traffic to canary, primary lost: {}"),
)
primary_restored = _about(warning, "{p} not found, creating it anew from {t}")
configs_lost = _about(
    warning, "configuration of {p} was changed or deleted, copying that of {t} anew"
)
target_runs = _about(
    warning, "{k} {t} was scaled up between rollouts of {c}: its pods get no traffic until the next"
)
primary_unmade = _because(
    warning,
    "{p} not ready: {}, set {t} back to the promoted revision to have it made anew",
)
canary_lost = _because(warning, "Routing all traffic to primary, {t} lost: {}")


GATES: Final[Mapping[WebhookType, AlertText]] = {
    WebhookType.CONFIRM_ROLLOUT: _warn("Canary is waiting for approval."),
    WebhookType.CONFIRM_TRAFFIC_INCREASE: _warn("Canary traffic increase is waiting for approval."),
    WebhookType.CONFIRM_PROMOTION: _warn("Canary promotion is waiting for approval."),
}
"""What people are alerted of while a gate is closed."""


def with_alert(event: Event, cause: str) -> Event:
    """`event`, of a failure that Flagger has no alert for, with one that says its cause."""
    return replace(event, alert=_error(f"Canary failed: {cause}"))


def primary_not_ready(canary: Canary, cause: str) -> Event:
    """A step waits for the primary's pods."""
    is_daemon = canary.spec.target_ref.kind is TargetKind.DAEMON_SET
    text = "primary {k} {p} not ready: {}" if is_daemon else "{p} not ready: {}"
    return warning(_filled(text, canary, cause))


def canary_not_ready(canary: Canary, cause: str, *, retriable: bool = True) -> Event:
    """A step waits for the canary's pods; of a DaemonSet as scripts know it, typo included."""
    if canary.spec.target_ref.kind is not TargetKind.DAEMON_SET:
        return warning(_filled("canary {k} {t} not ready: {}", canary, cause))
    text = f"canary damonset {{t}} not ready with retryable {str(retriable).lower()}: {{}}"
    return warning(_filled(text, canary, cause))


def providers_unavailable(error: str) -> Event:
    """Probing the metric servers failed; initialization goes on."""
    return warning(f"{wording.PROBE_FAILED}{error}")


def gate_silent(hook: str, cause: str) -> Event:
    """A gate counts as closed because it has not answered."""
    return warning(f"no answer from {hook}: {cause}")


def not_accepted(ref: CanaryRef, causes: Iterable[str]) -> Event:
    """Why a canary stands still: its manifest, as it stands, is not accepted."""
    return warning(
        f"{ref.dotted} is not accepted: nothing starts, steps up or is promoted until its manifest "
        f"is corrected: {'; '.join(causes)}"
    )


def not_watched(ref: CanaryRef, causes: Iterable[str]) -> Event:
    """Why a canary stands still: nobody sees its objects."""
    return warning(f"{ref.dotted} stands still as it is: {'; '.join(causes)}")
