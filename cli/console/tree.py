"""`coalmine status`: all about one canary as a tree. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rich.text import Text

from analysis.phases import BROKEN
from cli.console import checks, layout, timeline, words
from cli.console import facts as known
from cli.console.accounts import Absent
from cli.console.cluster import Event
from cli.console.facts import Facts
from cli.console.looking import Look
from cli.console.sides import Pod, Side
from cli.console.timeline import Account, Entry
from config.traffic import TOTAL_WEIGHT

PODS_SHOWN: Final = 5
"""Pods of a side that are listed, those in trouble first."""
_LABEL: Final = 12
_TOGETHER: Final = timedelta(seconds=1)
"""A check so soon after the next look is made at it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A line and what belongs under it; one that `wraps` goes on in the next line."""

    line: Text
    below: tuple[Node, ...] = ()
    wraps: bool = False


def lines(look: Look, now: datetime, width: int | None) -> tuple[Text, ...]:
    """The tree; `width` None: as wide as it needs."""
    drawn = list(layout.wrapped(_heading(look.canary, now), width))
    for node, last in _ends(tuple(_nodes(look, now))):
        drawn += _drawn(node, "", width, last=last)
    return tuple(layout.bounded(line, width) for line in drawn)


def _drawn(node: Node, indent: str, width: int | None, *, last: bool) -> Iterator[Text]:
    branch, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
    room = None if width is None else width - len(indent) - len(branch)
    parts = layout.wrapped(node.line, room) if node.wraps else (node.line,)
    for index, part in enumerate(parts):
        yield Text.assemble((f"{indent}{rest if index else branch}", "dim"), part)
    for each, is_last in _ends(node.below):
        yield from _drawn(each, indent + rest, width, last=is_last)


def _ends(nodes: Sequence[Node]) -> Iterator[tuple[Node, bool]]:
    return ((node, index == len(nodes)) for index, node in enumerate(nodes, 1))


def _heading(canary: Facts, now: datetime) -> Text:
    age = words.since(canary.since, now)
    return Text.assemble(
        (str(canary.ref), "bold"),
        "  ",
        layout.phase(canary.phase) if canary.phase else Text("no status yet", style="dim"),
        (f"  for {age}" if age else "", "dim"),
        ("  suspended" if canary.suspended else "", "magenta"),
        ("  being deleted" if canary.deleting else "", "magenta"),
    )


def _nodes(look: Look, now: datetime) -> Iterator[Node]:
    canary, told = look.canary, look.told
    if canary.refusals:
        age = f"  for {words.since(canary.condition('Accepted').since, now)}"
        line = Text.assemble(("not accepted", "red"), (age, "dim"))
        yield Node(line, _texts(canary.refusals))
    if canary.remarks:
        yield Node(Text("remarks", style="magenta"), _texts(canary.remarks))
    if unsent := look.unsent:
        age = f"  {words.since(unsent.last, now)} ago"
        yield Node(Text.assemble(("alert not sent", "red"), (age, "dim")), _texts([unsent.message]))
    yield _traffic(look)
    yield Node(Text("pods"), tuple(_side(each, now) for each in (look.primary, look.target)))
    yield _checks(look, now)
    if canary.gates:
        yield Node(Text("gates"), tuple(_gates(look, now)))
    if canary.waits and not canary.is_refused_only:
        yield _waiting(canary.waits, now)
    if told and told.next_look:
        yield _labelled("next look", _next(told, told.next_look))
    if look.events:
        yield _event(look.events[-1], now)
    if look.unread:
        yield Node(Text(f"no events: {look.unread}", style="dim"), wraps=True)
    if isinstance(look.account, Absent):
        yield Node(Text(look.account.why, style="dim"), wraps=True)


def _texts(told: Iterable[str]) -> tuple[Node, ...]:
    """What others have written, wrapped."""
    return tuple(Node(Text(line), wraps=True) for line in told if line.strip())


def _labelled(label: str, *parts: Text | str | tuple[str, str]) -> Node:
    return Node(Text.assemble(f"{label:<{_LABEL}} ", *parts))


def _traffic(look: Look) -> Node:
    canary, told = look.canary, look.told
    if not canary.phase:
        return _labelled("traffic", "where it went before")
    split = told.last.split if told and told.last else ""
    besides = split.partition("+")[2].replace("+", ", ")
    plan = f"  {canary.plan}" if canary.plan else ""
    if canary.plan.endswith("iterations"):
        plan = f"  {canary.iterations} of {canary.plan}"
    share = Text.assemble("canary ", layout.bar(canary.weight))
    rest = f"  primary {TOTAL_WEIGHT - canary.weight}%"
    return _labelled("traffic", share, rest, (plan, "dim"), (f"  {besides}" * bool(besides), "dim"))


def _side(side: Side, now: datetime) -> Node:
    if side.missing:
        words_ = Text(side.missing, style="red" if side.name == "primary" else "dim")
        return Node(Text.assemble(f"{side.name:<8} {side.workload}  ", words_), wraps=True)
    counts = Text()
    if side.wanted is not None and side.available is not None:
        is_short = side.available < side.wanted
        style = "red" if is_short else "green" if side.wanted else "dim"
        counts = Text(f"{side.available}/{side.wanted} ready  ", style=style)
    line = Text.assemble(f"{side.name:<8} {side.workload}  ", counts, (side.tag, "dim"))
    shown = side.pods[:PODS_SHOWN]
    below = [Node(_pod(pod, now), wraps=True) for pod in shown]
    if hidden := len(side.pods) - len(shown):
        below.append(Node(Text(f"… and {hidden} more", style="dim")))
    if side.unlisted:
        below.append(Node(Text(f"no pods: {side.unlisted}", style="dim"), wraps=True))
    return Node(line, tuple(below), wraps=True)


def _pod(pod: Pod, now: datetime) -> Text:
    restarts = f"  {words.of(pod.restarts, 'restart')}" if pod.restarts else ""
    return Text.assemble(
        layout.mark(good=pod.ready),
        f" {pod.name}  ",
        (pod.state, "" if pod.ready else "red"),
        (restarts, "red"),
        (f"  {words.since(pod.since, now)}", "dim"),
    )


def _checks(look: Look, now: datetime) -> Node:
    canary, told = look.canary, look.told
    count = _failed(look)
    line = Text(f"{count} of {canary.threshold} failed", style="red" if count else "")
    measured = told.measured if told else None
    if measured is None:
        below = [Node(_unmeasured(metric)) for metric in canary.metrics]
        if canary.unreachable:
            below.append(Node(Text(canary.unreachable, style="red"), wraps=True))
        return Node(Text.assemble(f"{'checks':<{_LABEL}} ", line), tuple(below))
    age = words.since(measured.at, told.now if told else now)
    text = Text.assemble(f"{'checks':<{_LABEL}} ", line, (f"  measured {age} ago", "dim"))
    return Node(text, tuple(Node(layout.check_line(each)) for each in measured.checks))


def _failed(look: Look) -> int:
    """How many checks of the rollout have failed; the status forgets it when the rollout fails."""
    ended = timeline.rollouts(look.told.entries)[-1:] if look.told else ()
    if look.canary.phase in BROKEN and ended:
        return ended[0].failed_checks
    return look.canary.failed_checks


def _unmeasured(metric: known.Metric) -> Text:
    bounds = checks.limits(metric.minimum, metric.maximum, metric.unit)
    return Text.assemble(("- ", "dim"), f"{metric.name}  ", (bounds, "dim"))


def _gates(look: Look, now: datetime) -> Iterator[Node]:
    canary, waits = look.canary, look.canary.waits
    for kind, name in canary.gates:
        line = Text(f"{kind}  {name}  ")
        if waits and waits.reason == known.GATES[kind]:
            age = words.since(waits.since, now)
            yield Node(line.append(f"waits, closed for {age}", style="magenta"))
        elif look.told and look.told.asking == kind:
            yield Node(line.append("is being asked", style="yellow"))
        else:
            yield Node(line.append(_answered(look.told, kind, name), style="dim"))


def _answered(told: Account | None, kind: str, name: str) -> str:
    """What a gate answered last, as far as that is kept."""
    entries: Sequence[Entry] = told.entries if told else ()
    for entry in reversed(entries):
        for hook in entry.hooks:
            if (hook.type, hook.name) == (kind, name):
                age = words.since(entry.at, told.now) if told else ""
                return f"was {'open' if hook.ok else 'closed'} {age} ago"
    return "not asked yet" if told else "not waited for"


def _waiting(waits: known.Condition, now: datetime) -> Node:
    age = words.since(waits.since, now)
    line = Text.assemble(f"{'waits for':<{_LABEL}} ", (waits.reason, "magenta"), f"  for {age}")
    return Node(line, _texts(waits.message.splitlines()))


def _next(told: Account, due: datetime) -> Text:
    text = Text(words.until(due, told.now))
    if told.next_check and told.next_check > due + _TOGETHER:
        text.append(f"  next check {words.until(told.next_check, told.now)}", style="dim")
    return text


def _event(event: Event, now: datetime) -> Node:
    times = f" ({event.count} times)" if event.count > 1 else ""
    style = "red" if event.is_warning else ""
    age = f"{words.since(event.last, now)} ago{times}"
    message = Node(Text(event.message, style=style), wraps=True)
    return Node(Text.assemble(f"{'last event':<{_LABEL}} ", (age, "dim")), (message,))
