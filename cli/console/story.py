"""`coalmine why`: the last decision about a canary, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rich.text import Text

from analysis.phases import MEANINGS, Phase
from cli.console import checks, layout, timeline, words
from cli.console.accounts import Absent
from cli.console.facts import Facts
from cli.console.looking import Look
from cli.console.timeline import Account, Entry

EVENTS_SHOWN: Final = 5


def lines(look: Look, now: datetime, width: int | None) -> tuple[Text, ...]:
    """Where the canary stands, what was decided last and from which numbers, and what is next."""
    return tuple(line for told in _sentences(look, now) for line in layout.wrapped(told, width))


def _sentences(look: Look, now: datetime) -> Iterator[Text]:
    canary, told = look.canary, look.told
    yield _standing(canary, told, now)
    yield from _oddities(look, now)
    if told and told.last:
        yield from _decisions(canary, told, told.last)
    else:
        yield from _status(look, now)
    if canary.waits and not canary.is_refused_only:
        yield Text()
        age = words.since(canary.waits.since, now)
        yield Text(f"It has waited for {age} ({canary.waits.reason}): {canary.waits.message}")
    if told and told.next_look:
        yield Text()
        yield Text(f"It is looked at again {words.until(told.next_look, told.now)}.")
    yield from _missing(look)


def _oddities(look: Look, now: datetime) -> Iterator[Text]:
    """What is wrong with its manifest, and with what that names."""
    canary = look.canary
    if canary.refusals:
        held = "nothing starts, steps up or is promoted until it is"
        yield Text("\n".join((f"Its manifest is not accepted, {held}:", *canary.refusals)))
    for remark in canary.remarks:
        yield Text(f"A remark on its manifest: {remark}")
    if unsent := look.unsent:
        yield Text(f"An alert was not sent {words.since(unsent.last, now)} ago: {unsent.message}")
    if canary.unreachable:
        told_then = f"When it was initialized: {canary.unreachable}."
        yield Text(f"{told_then} As long as that is so, its checks will have no values.")
    if canary.suspended:
        yield Text("It is suspended: nothing is decided until spec.suspend is false.")


def _missing(look: Look) -> Iterator[Text]:
    """What could not be read."""
    if isinstance(look.account, Absent):
        yield Text()
        yield Text(look.account.why, style="dim")
    if look.unread:
        yield Text(f"no events: {look.unread}", style="dim")


def _standing(canary: Facts, told: Account | None, now: datetime) -> Text:
    inner = told.last.phase if told and told.last else canary.phase
    meaning = MEANINGS[Phase(inner)] if inner in set(Phase) else ""
    if not canary.phase:
        meaning = "It has no phase yet."
    age = words.since(canary.since, now)
    text = Text.assemble((str(canary.ref), "bold"), " has been ", layout.phase(canary.phase))
    if not canary.phase:
        text = Text.assemble((str(canary.ref), "bold"), " is new")
    text.append(f" for {age}. " if age else ". ")
    text.append(meaning.replace("`", ""))
    if not canary.phase:
        return text.append(" Traffic goes where it went before.")
    return text.append(f" {canary.weight}% of the traffic is at the canary.")


def _decisions(canary: Facts, told: Account, last: Entry) -> Iterator[Text]:
    newest = timeline.rollouts(told.entries)[-1]
    end = newest.end
    if end is not None and end is not last and newest.why:
        yield from _decision(canary, told, end, "It ended")
    yield from _decision(canary, told, last, "The last decision was made")


def _decision(canary: Facts, told: Account, entry: Entry, opening: str) -> Iterator[Text]:
    yield Text()
    age = words.since(entry.at, told.now)
    rule = f"the rule {entry.rule}" if entry.rule else "a rule of another version"
    yield Text.assemble(f"{opening} {age} ago by {rule}: ", (entry.reason, "bold"), ".")
    if entry.message and not (canary.waits and canary.waits.message.startswith(entry.message)):
        yield Text(f"  {entry.message}")
    for check in entry.checks:
        style = "" if check.passed else "red"
        yield Text.assemble(
            "  ", layout.mark(good=check.passed), (f" {checks.sentence(check)}", style)
        )
    for hook in entry.hooks:
        answer = "agreed" if hook.ok else f"refused: {hook.message}"
        said = f" The {hook.type} webhook {hook.name} {answer}."
        yield Text.assemble("  ", layout.mark(good=hook.ok), said)
    if entry.failed_checks:
        spent = f"{entry.failed_checks} of {canary.threshold} failed checks are spent"
        yield Text(f"  {spent}; the last one rolls it back.")


def _status(look: Look, now: datetime) -> Iterator[Text]:
    """What status and events know, where there is no timeline."""
    promoted = look.canary.condition("Promoted")
    if promoted.message:
        yield Text()
        yield Text(f"Its status says: {promoted.message}")
    if look.events:
        yield Text()
        yield Text("The last events about it:")
    for event in look.events[-EVENTS_SHOWN:]:
        style = "red" if event.is_warning else ""
        times = f" ({event.count} times)" if event.count > 1 else ""
        yield Text.assemble(
            f"  {words.since(event.last, now):>6} ago  ", (event.message, style), times
        )
