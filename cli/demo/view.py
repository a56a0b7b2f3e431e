"""What a person sees: a live table on a terminal, lines anywhere else, and the summary."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.console import layout
from cli.demo import scene, story
from cli.demo.scene import Standing
from clients.kube.protocol import Object

_NEWEST: Final = 10
_SHORT: Final = {"request-success-rate": "success", "request-duration": "p99"}

Show = Callable[[str, float, Sequence[Standing]], None]
"""Shows a heading, the seconds since the demo began and how things stand, again and again."""


class Result(NamedTuple):
    """How one act ended; `seconds` from the release to its last phase."""

    standing: Standing
    seconds: float
    faults: tuple[str, ...]


@contextlib.contextmanager
def showing(console: Console, *, live: bool) -> Iterator[Show]:
    """A table that stays in place for the length of the block, or a line per thing that happened.

    The table is gone at the end; the summary replaces it.
    """
    if not live:
        yield functools.partial(_tell_news, console, set())
        return
    with Live(console=console, auto_refresh=False, transient=True) as screen:
        yield lambda *state: screen.update(_screen(*state), refresh=True)


def say(console: Console, text: str) -> None:
    """Prints `text` as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def summary(console: Console, results: Sequence[Result], seconds: float) -> None:
    """Writes how everything ended."""
    for result in results:
        for line in _story(result):
            console.print(line, soft_wrap=True)
        console.print()
    good = sum(not result.faults for result in results)
    style = "bold green" if good == len(results) else "bold red"
    text = f"{good} of {len(results)} ended as they should, after {seconds:.0f} s"
    console.print(Text(text, style=style))


def _tell_news(
    console: Console, told: set[str], heading: str, seconds: float, standings: Sequence[Standing]
) -> None:
    news = {heading: heading}
    for standing in standings:
        for event in standing.events:
            about = f"{standing.act.ref}  {event['type']:<7}  {event['message']}"
            news[event["metadata"]["name"]] = about
    for key, text in news.items():
        if key not in told:
            say(console, f"{seconds:6.1f}s  {text}")
    told.update(news)


def _story(result: Result) -> Iterator[Text]:
    """What became of one release, in a few lines."""
    standing, act = result.standing, result.standing.act
    ended = "promoted" if act.promoted else "rolled back"
    if result.faults:
        ended = standing.phase or "without an end"
    yield Text.assemble(
        ("✗ ", "bold red") if result.faults else ("✓ ", "bold green"),
        (f"{act.ref!s:<18}", "bold"),
        f" {_release(act):<14} {ended} after {result.seconds:.1f} s",
    )
    yield _detail("canary weight", " → ".join(f"{weight}" for weight in standing.weights))
    yield _detail("because", f"{act.about}: {scene.why(standing) or 'every check passed'}")
    for fault in result.faults:
        yield _detail("fault", fault, style="bold red")


def _detail(name: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"    {name:<14} ", "dim"), (text, style))


def _screen(heading: str, seconds: float, standings: Sequence[Standing]) -> Group:
    head = Text.assemble(("coalmine demo", "bold"), f"  {heading}  ", (f"{seconds:.0f} s", "dim"))
    rows = [line for standing in standings for line in (*_rows(standing), Text())]
    pairs = [(event, standing) for standing in standings for event in standing.events]
    newest = sorted(pairs, key=lambda pair: str(pair[0]["lastTimestamp"]))[-_NEWEST:]
    lines = (head, Text(), *rows, *(_news(event, standing) for event, standing in newest))
    for line in lines:  # cut where the screen ends
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def _rows(standing: Standing) -> tuple[Text, Text]:
    """Where a canary stands, and its last checks; 80 columns are enough."""
    act, failed = standing.act, standing.failed_checks
    first = Text.assemble(
        (f"{act.ref!s:<18}", "bold"),
        f" {_release(act):<14}",
        (f" {standing.phase or '…':<12} ", layout.PHASES.get(standing.phase, "")),
        layout.bar(standing.weight),
        (f"  {failed}/{standing.threshold} failed" if failed else "", "red"),
    )
    shown = [layout.check_line(each, _SHORT.get(each.metric, "")) for each in standing.checks]
    return first, Text("   ").join([Text(" " * 16), *shown]) if shown else Text()


def _release(act: story.Act) -> str:
    return f"{story.tag(act.old_image)} → {story.tag(act.new_image)}"


def _news(event: Object, standing: Standing) -> Text:
    text = Text.assemble(
        (f"{event['lastTimestamp'][11:19]}  ", "dim"), f"{standing.act.ref.namespace:<9} "
    )
    return text.append(event["message"], style="red" if event["type"] == "Warning" else "")
