"""Rules that hold in every phase, asked first: is there something here to be carried out at all."""

from __future__ import annotations

from dataclasses import replace

from analysis import events
from analysis.decisions import Decision, Outcome, Rest
from analysis.observation import Observation
from analysis.state import Acceptance, unborn
from clients.documents.world import Problem


def born(seen: Observation) -> Outcome | None:
    """A canary never seen before gets a state that asks for nothing yet."""
    if seen.state is not None:
        return None
    state = unborn(seen.uid, seen.generation, seen.now)
    return Decision("Discovered", f"{seen.ref} discovered", state, due=seen.now)


def deleting(seen: Observation) -> Outcome | None:
    """A canary that is being deleted is left alone."""
    return Rest() if seen.deleting else None


def acceptance(seen: Observation) -> Outcome | None:
    """What is wrong with the manifest is said once, and taken back once it is mended."""
    if seen.state is None:
        return None
    before, after = seen.state.acceptance, _acceptance(seen)
    if _same(before, after):
        return None
    known = _messages(before)
    said = tuple(
        events.warning(problem.message) for problem in seen.problems if problem.message not in known
    )
    state = replace(seen.state, acceptance=after, generation=seen.generation)
    message = after.message if after else "manifest accepted"
    return Decision(after.reason if after else "Accepted", message, state, said, seen.now)


def suspended(seen: Observation) -> Outcome | None:
    """A suspended canary freezes where it is; a running rollout keeps its weights.

    Hooks that were asked are asked anew when it is resumed.
    """
    if seen.state is None or seen.canary is None:
        return None
    suspend = seen.canary.spec.suspend
    if suspend == seen.state.suspended:
        return Rest() if suspend else None
    state = replace(seen.state, suspended=suspend, round=None)
    if suspend:
        said = (events.SUSPENDED,)
        return Decision("Suspended", events.SUSPENDED.message, state, said)
    return Decision("Resumed", f"{seen.ref} resumed", state, due=seen.now)


def trouble(seen: Observation) -> Outcome | None:
    """What keeps a write from succeeding is told once, in the words of the API server."""
    if seen.state is None or seen.state.trouble == seen.confirmed.trouble:
        return None
    text = seen.confirmed.trouble
    state = replace(seen.state, trouble=text)
    told = seen.state.trouble.split("\n")
    said = tuple(events.warning(line) for line in text.split("\n") if line and line not in told)
    return Decision("WriteRefused" if text else "WriteMended", text, state, said, seen.now)


def refused(seen: Observation) -> Outcome | None:
    """A canary without any manifest that could be carried out does nothing."""
    return Rest() if seen.canary is None or seen.claimed else None


def _acceptance(seen: Observation) -> Acceptance | None:
    """The condition to show: absent as long as there was never anything wrong."""
    state = seen.state
    if not seen.problems:
        if state is None or state.acceptance is None:
            return None
        return Acceptance(
            accepted=True, reason="Accepted", message="The manifest is accepted.", since=seen.now
        )
    accepted = not any(problem.blocking for problem in seen.problems)
    return Acceptance(
        accepted=accepted,
        reason=_reason(seen.problems),
        message="\n".join(problem.message for problem in seen.problems),
        since=seen.now,
    )


def _reason(problems: tuple[Problem, ...]) -> str:
    """The reason of the first blocking problem, else of the first."""
    blocking = [problem for problem in problems if problem.blocking]
    return (blocking or list(problems))[0].reason


def _same(before: Acceptance | None, after: Acceptance | None) -> bool:
    if before is None or after is None:
        return before is after
    return replace(before, since=after.since) == after


def _messages(before: Acceptance | None) -> frozenset[str]:
    return frozenset(before.message.split("\n")) if before else frozenset()
