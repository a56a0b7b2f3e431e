"""The Canary status as a projection of the rollout state; pure.

Source: docs/compatibility/status.md, "Canary.status", "Condition Promoted" and "Conditions beside
it".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from analysis.phases import BROKEN, ENDING, Phase, shown
from analysis.recorded import RECORDED
from analysis.state import Acceptance, RolloutState, accepted
from analysis.waiting import WAYS_OUT
from config import moments
from config.api.canary import Canary
from config.traffic import Affinity

Conditions = Sequence[Mapping[str, Any]]

_PROMOTED: Final[Mapping[Phase, tuple[str, str]]] = {
    Phase.INITIALIZING: ("Unknown", "New {kind} detected, starting initialization."),
    Phase.INITIALIZED: ("True", "{kind} initialization completed."),
    Phase.WAITING: ("Unknown", "Waiting for approval."),
    Phase.PROGRESSING: ("Unknown", "New revision detected, progressing canary analysis."),
    Phase.WAITING_PROMOTION: ("Unknown", "Waiting for approval."),
    Phase.PROMOTING: ("Unknown", "Canary analysis completed, starting primary rolling update."),
    Phase.FINALISING: ("Unknown", "Canary analysis completed, routing all traffic to primary."),
    Phase.SUCCEEDED: ("True", "Canary analysis completed successfully, promotion finished."),
    Phase.FAILED: ("False", "Canary analysis failed, {kind} scaled to zero."),
    Phase.PROMOTION_FAILED: (
        "False",
        "Promotion failed, primary not ready: {canary}% of traffic is on {kind}, still running.",
    ),
    **dict.fromkeys(ENDING, ("Unknown", "{kind} takes its traffic back: the canary is deleted.")),
}
"""Status and message of the condition `Promoted` per phase; its reason is the phase shown."""


REMEMBERED: Final = 1024
"""Times of which it is kept what they say: those of a status are read at every look."""

_OVER: Final = ("NotWaiting", "The canary waits for nothing but its time.")


def status(
    state: RolloutState, version: int, canary: Canary | None, present: Conditions, now: datetime
) -> dict[str, Any]:
    """The `.status` to write `now` for `state`; `present` are the conditions on the object.

    `canary` is None when no manifest of it was ever accepted. A state without a phase has nothing
    to say about a rollout, so that what an earlier controller, or a lost state, left is kept.
    """
    conditions = (
        _promoted(state, canary, present),
        _accepted(state, present),
        _waiting(state, present, now),
        _recorded(state, version, present),
    )
    rollout = {} if state.phase is Phase.NEW else _rollout(state)
    return {**rollout, "conditions": [known for known in conditions if known is not None]}


def says_more(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Whether `wanted` differs from `present` in anything but the version it was made from."""
    return any(_said(key, present.get(key)) != _said(key, value) for key, value in wanted.items())


def shown_acceptance(status: Mapping[str, Any]) -> Acceptance | None:
    """What a status says of the manifest; None when it says nothing that can be read."""
    item = _present(status.get("conditions") or (), "Accepted")
    since = moment(item.get("lastUpdateTime"))
    if item.get("status") not in {"True", "False"} or since is None:
        return None
    words = str(item.get("reason") or ""), str(item.get("message") or "")
    return Acceptance(item["status"] == "True", *words, since)


def moment(text: Any) -> datetime | None:
    """The time as Kubernetes writes it; None for anything else, and for what lies before 1970."""
    return _moment(str(text))


@lru_cache(maxsize=REMEMBERED)
def _moment(text: str) -> datetime | None:
    try:
        read = datetime.strptime(text, moments.RFC3339).replace(tzinfo=UTC)
    except ValueError:
        return None
    return read if read >= moments.EPOCH else None


def _rollout(state: RolloutState) -> dict[str, Any]:
    """The fields about the rollout itself."""
    return {
        "phase": shown(state.phase),
        "canaryWeight": 0 if state.phase in ENDING else state.route.split.canary,
        "failedChecks": state.failed_checks,
        "iterations": state.iterations,
        "lastAppliedSpec": state.applied,
        "lastPromotedSpec": state.promoted,
        "lastTransitionTime": moments.rfc3339(state.since),
        **({} if state.configs is None else {"trackedConfigs": dict(state.configs) or None}),
        **_cookies(state.route.split.affinity),
    }


def _cookies(affinity: Affinity | None) -> dict[str, str]:
    """The cookies of the route; none before the first rollout with session affinity."""
    if affinity is None:
        return {}
    return {
        "sessionAffinityCookie": affinity.canary,
        "previousSessionAffinityCookie": affinity.expired,
        "primarySessionAffinityCookie": affinity.primary,
    }


def _promoted(
    state: RolloutState, canary: Canary | None, present: Conditions
) -> dict[str, Any] | None:
    """The condition that clients wait for; none before initialization has begun."""
    if state.phase is Phase.NEW:
        return None
    value, message = _PROMOTED[state.phase]
    kind = canary.spec.target_ref.kind if canary else "Deployment"
    text = message.format(kind=kind, canary=state.route.split.canary)
    words = (shown(state.phase), _with_failure(text, state, present))
    return _condition("Promoted", value, words, state.since, present)


def _with_failure(text: str, state: RolloutState, present: Conditions) -> str:
    """Flagger's text, and what decided that the rollout failed; a lost state keeps what it said."""
    if state.failure:
        return f"{text} {state.failure}"
    before = str(_present(present, "Promoted").get("message") or "")
    has_failed = state.phase in BROKEN
    return before if has_failed and before.startswith(text) else text


def _accepted(state: RolloutState, present: Conditions) -> dict[str, Any] | None:
    """Whether the manifest is carried out, and what is wrong with it; absent until that is known.

    A state that says nothing of it has gone on because nothing was wrong.
    """
    known, verdict = _present(present, "Accepted"), state.acceptance
    if verdict is None and state.phase is Phase.NEW:
        return None
    if verdict is None and known.get("status") == "True":
        return dict(known)
    verdict = verdict or accepted(state.since)
    value = "True" if verdict.accepted else "False"
    words = (verdict.reason, verdict.message)
    return _condition("Accepted", value, words, verdict.since, present)


def _waiting(state: RolloutState, present: Conditions, now: datetime) -> dict[str, Any] | None:
    """What the canary waits for, since when, and the way out; absent as long as it never did."""
    causes = [cause for cause in (state.waiting, state.trouble) if cause is not None]
    if causes:
        ways = (f"{cause.message} ({WAYS_OUT[cause.reason]})" for cause in causes)
        words = (causes[0].reason.value, "\n".join(ways))
        return _condition("Waiting", "True", words, min(cause.since for cause in causes), ())
    before = _present(present, "Waiting")
    if not before or before.get("status") == "False":
        return dict(before) or None
    return _condition("Waiting", "False", _OVER, now, present)


def _recorded(state: RolloutState, version: int, present: Conditions) -> dict[str, Any]:
    """Which version of the state is shown: by it a state that Redis gave back is known as older."""
    words = (f"Version{version}", "This status shows this version of the state of the rollout.")
    return _condition(RECORDED, "True", words, state.since, present)


def _said(key: str, value: Any) -> Any:
    """What a field of a status says but for the version; of that, whether it is there."""
    if key != "conditions" or not value:
        return value
    return [RECORDED if item.get("type") == RECORDED else item for item in value]


def _present(present: Conditions, kind: str) -> Mapping[str, Any]:
    """The condition of a type that is on the object; empty when there is none."""
    return next((item for item in present if item.get("type") == kind), {})


def _condition(
    kind: str, value: str, words: tuple[str, str], since: datetime, present: Conditions
) -> dict[str, Any]:
    """A condition whose transition time stays while its status does; `words`: reason, message."""
    before = _present(present, kind)
    same = before.get("status") == value
    return {
        "type": kind,
        "status": value,
        "reason": words[0],
        "message": words[1],
        "lastUpdateTime": moments.rfc3339(since),
        "lastTransitionTime": (same and before.get("lastTransitionTime")) or moments.rfc3339(since),
    }
