"""What each command about one canary does; the exit code is what it gives back."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from rich.text import Text

from cli import complaints, exits
from cli.console import (
    history,
    looking,
    story,
    timeline,
    tree,
    waiting,
)
from cli.console.accounts import Absent
from cli.console.facts import Facts
from cli.console.goals import Asked
from cli.console.looking import Look
from cli.console.session import Command, Session
from clients import errors
from config.refs import CanaryRef

LOOKED: Final = timedelta(seconds=2)
"""Between two looks of `status --watch`: each costs some requests."""


def status(opened: Session, given: Namespace) -> int:
    """All about one canary as a tree."""
    ref = opened.ref(given)

    def draw() -> Sequence[Text]:
        return tree.lines(_look(opened, ref, pods=True), opened.now, opened.width)

    def draw_again() -> Sequence[Text]:
        try:
            return draw()
        except exits.Unusable as failure:
            if not isinstance(failure.__cause__, errors.Transient):
                raise
            return [Text(f"{failure}; trying again", style="red")]

    if given.output:
        opened.write(_document(_look(opened, ref, pods=True)), given.output)
    elif given.watch and opened.out.is_terminal:
        draw()  # what cannot be read at first ends it
        opened.redraw(draw_again, LOOKED)
    else:
        opened.show(draw())
    return exits.OK


def why(opened: Session, given: Namespace) -> int:
    """The last decision, in sentences."""
    look = _look(opened, opened.ref(given))
    if given.output:
        last = look.told.last if look.told else None
        known = {"decision": last.document if last else None}
        opened.write({**_standing(look), **known}, given.output)
    else:
        opened.show(story.lines(look, opened.now, opened.width))
    return exits.OK


def show_history(opened: Session, given: Namespace) -> int:
    """The rollouts and their decisions; FAILED when nobody can be asked for them."""
    ref = opened.ref(given)
    canary = opened.cluster.canary(ref)
    account = opened.ask(ref, opened.now)
    if isinstance(account, Absent):
        return _without_timeline(opened, canary, account, given.output)
    rollouts = timeline.rollouts(account.entries)
    if given.output in {"json", "yaml"}:
        opened.write(history.document(str(ref), rollouts), given.output)
        return exits.OK
    wide = given.output == "wide"
    opened.show(history.table(rollouts, account.now, opened.width, wide=wide))
    return exits.OK


def wait(opened: Session, given: Namespace) -> int:
    """Returns when what is waited for has come, or cannot come any more."""
    asked = Asked(goal=given.goal, revision=given.revision)
    return waiting.wait(opened, opened.ref(given), asked, given.timeout)


def _look(opened: Session, ref: CanaryRef, *, pods: bool = False) -> Look:
    return looking.look(opened.cluster, opened.ask, opened.clock, ref, pods=pods)


def _without_timeline(opened: Session, canary: Facts, account: Absent, output: str | None) -> int:
    """What events tell; they end after an hour as a rule."""
    complaints.write(account.why)
    look = looking.look(opened.cluster, lambda *_: account, opened.clock, canary.ref)
    if output in {"json", "yaml"}:
        told = [
            {"at": each.last, "message": each.message, "count": each.count} for each in look.events
        ]
        opened.write({"canary": str(canary.ref), "rollouts": None, "events": told}, output)
    else:
        opened.show(story.lines(look, opened.now, opened.width))
    return exits.FAILED


def _standing(look: Look) -> dict[str, Any]:
    """Where a canary stands, for programs."""
    canary, told = look.canary, look.told
    waits = canary.waits
    return {
        "canary": str(canary.ref),
        "phase": canary.phase,
        "since": canary.since,
        "canaryWeight": canary.weight,
        "failedChecks": canary.failed_checks,
        "threshold": canary.threshold,
        "accepted": canary.condition("Accepted").status or None,
        "waitingFor": asdict(waits) if waits else None,
        "nextLook": told.next_look if told else None,
        "timeline": look.account.why if isinstance(look.account, Absent) else None,
    }


def _document(look: Look) -> dict[str, Any]:
    """The tree for programs."""
    measured = look.told.measured if look.told else None
    return {
        **_standing(look),
        "sides": [asdict(side) for side in (look.primary, look.target)],
        "checks": [asdict(check) for check in measured.checks] if measured else None,
        "gates": [{"type": kind, "name": name} for kind, name in look.canary.gates],
        "events": [{"at": each.last, "message": each.message} for each in look.events[-10:]],
    }


COMMANDS: Final[Mapping[str, Command]] = {
    "status": status,
    "why": why,
    "history": show_history,
    "wait": wait,
}
"""By the names that `cli.console.grammar` has for them."""
