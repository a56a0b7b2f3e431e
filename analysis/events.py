"""The texts of Kubernetes events, letter by letter those that users and scripts know.

Source: the event catalogue of Flagger. `{c}` names the canary, `{t}` its target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from analysis.waiting import Waiting
from config import names
from config.api.canary import Canary
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef


@dataclass(frozen=True, slots=True)
class Event:
    """One thing worth telling; `message` is a sentence.

    What is told again and again has `first`, when it was told first, and `times`, how often.
    """

    severity: AlertSeverity
    message: str
    first: datetime | None = None
    times: int = 1


def normal(message: str) -> Event:
    """An event that reports progress."""
    return Event(AlertSeverity.INFO, message)


def warning(message: str) -> Event:
    """An event that somebody should read."""
    return Event(AlertSeverity.WARN, message)


def failure(message: str) -> Event:
    """An event that somebody should act on: a release did not make it."""
    return Event(AlertSeverity.ERROR, message)


def repeated(event: Event, waiting: Waiting) -> Event:
    """`event` as one of those that tell of `waiting`."""
    return replace(event, first=waiting.first_told, times=waiting.times)


def _canary(canary: Canary) -> str:
    return f"{canary.name}.{canary.namespace}"


def _target(canary: Canary) -> str:
    return f"{canary.spec.target_ref.name}.{canary.namespace}"


def _primary(canary: Canary) -> str:
    return f"{names.primary_workload(canary)}.{canary.namespace}"


SUSPENDED = normal("skipping canary run as object is suspended")
PROVIDERS_AVAILABLE = normal("all the metrics providers are available!")
TO_PRIMARY = normal("Routing all traffic to primary")


def providers_unavailable(error: str) -> Event:
    """Probing the metric servers failed; initialization goes on."""
    return warning(f"Error checking metric providers: {error}")


def not_accepted(ref: CanaryRef, causes: Iterable[str]) -> Event:
    """Why a canary stands still: its manifest, as it stands, is not accepted."""
    return warning(
        f"{ref.dotted} is not accepted: nothing starts, steps up or is promoted until its manifest "
        f"is corrected: {'; '.join(causes)}"
    )


def not_watched(ref: CanaryRef, causes: Iterable[str]) -> Event:
    """Why a canary stands still: nobody sees its objects."""
    return warning(f"{ref.dotted} stands still as it is: {'; '.join(causes)}")


def not_applied(canary: Canary, lanes: Iterable[str]) -> Event:
    """Why a step waits although nobody refuses it: no worker has brought it about."""
    return warning(f"{_canary(canary)} waits for its {' and '.join(sorted(lanes))} to be applied")


def awaiting_target(canary: Canary) -> Event:
    """A canary whose target does not exist, or not yet."""
    kind = canary.spec.target_ref.kind.lower()
    return warning(f"{_canary(canary)} waits for its target: {kind} {_target(canary)} not found")


def initialized(canary: Canary) -> Event:
    """The primary serves."""
    return normal(f"Initialization done! {_canary(canary)}")


def primary_not_ready(canary: Canary, cause: str) -> Event:
    """Why a step waits for the primary."""
    return warning(f"{_primary(canary)} not ready: {cause}")


def canary_not_ready(canary: Canary, cause: str) -> Event:
    """Why a step waits for the canary."""
    return warning(f"canary deployment {_target(canary)} not ready: {cause}")


def new_revision(canary: Canary) -> Event:
    """A rollout starts."""
    return normal(f"New revision detected! Scaling up {_target(canary)}")


def restarting(canary: Canary) -> Event:
    """The revision under analysis was replaced by a newer one."""
    return normal(f"New revision detected! Restarting analysis for {_target(canary)}")


def starting_analysis(canary: Canary) -> Event:
    """The canary is ready and gets its first traffic, if the hooks agree."""
    return normal(f"Starting canary analysis for {_target(canary)}")


def advance(canary: Canary, weight: int) -> Event:
    """The canary gets `weight` percent."""
    return normal(f"Advance {_canary(canary)} canary weight {weight}")


def advance_primary(canary: Canary, weight: int) -> Event:
    """The promoted primary gets `weight` percent back."""
    return normal(f"Advance {_canary(canary)} primary weight {weight}")


def copying(canary: Canary) -> Event:
    """The analysed revision goes to the primary."""
    return normal(f"Copying {_target(canary)} template spec to {_primary(canary)}")


def promoted(canary: Canary, *, skipped: bool) -> Event:
    """The rollout ended well."""
    if skipped:
        return normal(f"Promotion completed! Canary analysis was skipped for {_target(canary)}")
    return normal(f"Promotion completed! Scaling down {_target(canary)}")


def threshold_reached(canary: Canary, failed: int) -> Event:
    """The last failed-check unit is spent."""
    return warning(f"Rolling back {_canary(canary)} failed checks threshold reached {failed}")


def deadline_exceeded(canary: Canary, cause: str) -> Event:
    """The canary did not become ready in time."""
    return warning(f"Rolling back {_canary(canary)} progress deadline exceeded {cause}")


def reverted(canary: Canary) -> Event:
    """The target was set back to the promoted revision while another one was analysed."""
    return warning(f"Rolling back {_canary(canary)} target reverted to the promoted revision")


def target_gone(canary: Canary) -> Event:
    """The target was deleted in mid-rollout."""
    return warning(f"Rolling back {_canary(canary)} deployment {_target(canary)} not found")


def failed(canary: Canary) -> Event:
    """The rollout ended badly; traffic is on its way back to the primary."""
    return failure(f"Canary failed! Scaling down {_canary(canary)}")


def promotion_failed(canary: Canary, cause: str) -> Event:
    """The primary did not become ready with the analysed revision; the canary serves."""
    return failure(f"Promotion of {_target(canary)} failed, primary not ready: {cause}")


def copy_failed(canary: Canary, cause: str) -> Event:
    """The primary could not be given the analysed revision; it still has the one before."""
    return failure(f"Promotion of {_target(canary)} failed, primary not updated: {cause}")


def hooks_lost(canary: Canary, hook_type: str) -> Event:
    """No hook worker answered in time; the hooks are called again."""
    return warning(f"Halt {_canary(canary)} advancement no answer to the {hook_type} webhooks")


def route_unwritable(canary: Canary) -> Event:
    """The canary is scaled down although its traffic could not be taken away."""
    return warning(f"Scaling down {_target(canary)} although its route could not be changed")


def primary_lost(canary: Canary, cause: str) -> Event:
    """The primary carries traffic and has no pods for good; the canary has some."""
    return warning(f"Routing all traffic to {_target(canary)}, {_primary(canary)} lost: {cause}")


def primary_unmade(canary: Canary, cause: str) -> Event:
    """The primary is gone, and the target does not hold the revision to make it anew from."""
    way_out = f"set {_target(canary)} back to the promoted revision to have it made anew"
    return warning(f"{_primary(canary)} not ready: {cause}, {way_out}")


def primary_restored(canary: Canary) -> Event:
    """The primary is gone and made anew."""
    return warning(f"{_primary(canary)} not found, creating it anew from {_target(canary)}")


def canary_lost(canary: Canary, cause: str) -> Event:
    """The canary carries traffic and has no pods; the primary has some."""
    return warning(f"Routing all traffic to primary, {_target(canary)} lost: {cause}")
