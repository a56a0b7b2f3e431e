"""`coalmine wait`: looks at a canary until a goal is reached or missed, or time is up."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cli import complaints, exits
from cli.console import judging, looking, words
from cli.console.facts import Facts
from cli.console.goals import Asked
from cli.console.judging import Outcome
from cli.console.session import Session
from cli.console.sides import Side
from clients import errors
from config import durations
from config.refs import CanaryRef

PAUSE: Final = timedelta(seconds=1)
SETTLED: Final = timedelta(seconds=10)
"""After which a controller has seen a change of the target: ours within a second or two."""

_UNKNOWN: Final = Side(name="", workload="")


def wait(session: Session, ref: CanaryRef, asked: Asked, timeout: timedelta) -> int:
    """OK when the goal was reached, FAILED when it was missed, TIMED_OUT; says what it saw.

    Raises Unusable when the canary cannot be read at first; later it is tried again.
    """
    began, told = session.clock.monotonic(), ""
    canary: Facts | None = session.cluster.canary(ref)
    while True:
        waited = timedelta(seconds=session.clock.monotonic() - began)
        if canary is not None:
            told = _tell(session, canary, told)
            outcome = _judged(session, canary, asked, waited)
            if outcome is not Outcome.PENDING:
                return _end(session, asked, canary, outcome)
        if waited >= timeout:
            where = f"still {told}" if told else "not read"
            release = f", waiting for {asked.revision}" if asked.revision else ""
            more = f"`coalmine why {ref}` says more"
            told = f"{ref} is {where} after {words.span(waited)}{release}"
            complaints.write(f"{told}; {more}")
            return exits.TIMED_OUT
        session.clock.sleep(min(PAUSE, timeout - waited).total_seconds())
        canary = _again(session, ref)


def _again(session: Session, ref: CanaryRef) -> Facts | None:
    """The canary; None while the cluster cannot be asked."""
    try:
        return session.cluster.canary(ref)
    except exits.Unusable as failure:
        if isinstance(failure.__cause__, errors.Transient):
            complaints.write(f"{failure}; trying again")
            return None
        raise


def _judged(session: Session, canary: Facts, asked: Asked, waited: timedelta) -> Outcome:
    primary, target = _UNKNOWN, _UNKNOWN
    if judging.needs_sides(asked, canary):
        primary, target = looking.sides(session.cluster, canary)
    is_settled = waited >= _patience(canary)
    return judging.judge(asked, canary, primary, target, is_settled=is_settled)


def _patience(canary: Facts) -> timedelta:
    """How long a change of the target may be unseen; Flagger looks at its interval alone."""
    is_known = durations.is_duration(canary.interval)
    interval = durations.parse(canary.interval) if is_known else timedelta(minutes=1)
    return SETTLED if canary.is_ours else SETTLED + interval


def _tell(session: Session, canary: Facts, told: str) -> str:
    """Where the canary stands; written when it is news."""
    standing = f"{canary.phase or 'without a status'}, {canary.weight}% at the canary"
    if canary.note:
        standing += f" ({canary.note})"
    if standing != told:
        session.say(f"{words.clock(session.now, session.now)}  {canary.ref}  {standing}")
    return standing


def _end(session: Session, asked: Asked, canary: Facts, outcome: Outcome) -> int:
    about = f" {asked.revision}" if asked.revision else ""
    if outcome is Outcome.REACHED:
        session.say(f"{canary.ref}{about} is {asked.goal.value}")
        return exits.OK
    why = canary.condition("Promoted").message or "it is being deleted"
    text = f"{canary.ref}{about} is not {asked.goal.value}: {canary.phase}: {why}"
    complaints.write(f"{text}; `coalmine why {canary.ref}` says more")
    return exits.FAILED
