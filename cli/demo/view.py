"""What a person sees: a live table on a terminal, lines anywhere else, and the summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.demo import story, verdict
from cli.demo.scene import Check, Event, Standing

_PHASES: Final = {
    "": "dim",
    "Initializing": "cyan",
    "Initialized": "cyan",
    "Progressing": "yellow",
    "Promoting": "green",
    "Finalising": "green",
    "Succeeded": "bold green",
    "Failed": "bold red",
}
_BAR: Final = 20
_NEWEST: Final = 10
_SHORT: Final = {"request-success-rate": "success", "request-duration": "p99"}


@dataclass(frozen=True, slots=True)
class Result:
    """How one act ended; `seconds` from the release to its last phase."""

    standing: Standing
    seconds: float
    faults: tuple[str, ...]


class View(Protocol):
    """Shows the state of things; called again and again."""

    def show(self, heading: str, seconds: float, standings: Sequence[Standing]) -> None:
        """`seconds` since the demo began."""
        ...

    def close(self) -> None:
        """Leaves the last state on the screen."""
        ...


class LiveView:
    """A table that stays in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, heading: str, seconds: float, standings: Sequence[Standing]) -> None:
        """Draws all of it anew."""
        self._live.update(_screen(heading, seconds, standings), refresh=True)

    def close(self) -> None:
        """Clears the table; the summary replaces it."""
        self._live.stop()


class PlainView:
    """One line per thing that happened."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._heading = ""
        self._seen: set[str] = set()

    def show(self, heading: str, seconds: float, standings: Sequence[Standing]) -> None:
        """Writes what is new since the last call."""
        if heading != self._heading:
            self._line(seconds, heading)
            self._heading = heading
        for standing in standings:
            for event in standing.events:
                if event.key not in self._seen:
                    self._seen.add(event.key)
                    self._line(seconds, f"{standing.act.ref}  {event.type:<7}  {event.message}")

    def close(self) -> None:
        """Nothing is left to do."""

    def _line(self, seconds: float, text: str) -> None:
        self._console.print(
            f"{seconds:6.1f}s  {text}", markup=False, highlight=False, soft_wrap=True
        )


def summary(console: Console, results: Sequence[Result], seconds: float) -> None:
    """Writes how everything ended."""
    table = Table(title="What happened", title_justify="left", title_style="bold", box=None)
    for column in ("canary", "release", "ended", "canary weight", "in", "because"):
        table.add_column(column, overflow="fold")
    for result in results:
        table.add_row(*_result(result))
    console.print(table)
    for result in results:
        for fault in result.faults:
            text = f"{result.standing.act.ref}: {fault}"
            console.print(Text(text, style="bold red"), soft_wrap=True)
    good = sum(not result.faults for result in results)
    style = "bold green" if good == len(results) else "bold red"
    text = f"{good} of {len(results)} ended as they should, after {seconds:.0f} s"
    console.print(Text(text, style=style))


def _result(result: Result) -> tuple[RenderableType, ...]:
    standing, act = result.standing, result.standing.act
    release = f"{story.tag(act.old_image)} → {story.tag(act.new_image)}, {act.about}"
    ended = "promoted" if act.promoted else "rolled back"
    if result.faults:
        ended = standing.phase or "nothing"
    weights = " ".join(str(weight) for weight in standing.weights)
    return (
        str(act.ref),
        release,
        Text(ended, style="red" if result.faults else "green"),
        weights,
        f"{result.seconds:.1f} s",
        verdict.why(standing) or "all checks passed",
    )


def _screen(heading: str, seconds: float, standings: Sequence[Standing]) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("canary", "release", "phase", "traffic to the canary", "failed", "last checks"):
        table.add_column(column, no_wrap=column != "last checks")
    for standing in standings:
        table.add_row(*_row(standing))
    head = Text.assemble(("coalmine demo", "bold"), f"  {heading}  ", (f"{seconds:.0f} s", "dim"))
    return Group(head, Text(), table, Text(), *_news(standings))


def _row(standing: Standing) -> tuple[RenderableType, ...]:
    act = standing.act
    return (
        Text(str(act.ref), style="bold"),
        f"{story.tag(act.old_image)} → {story.tag(act.new_image)}",
        Text(standing.phase or "…", style=_PHASES.get(standing.phase, "")),
        bar(standing.weight),
        _failed(standing),
        Text("\n").join(shown(check) for check in standing.checks),
    )


def bar(weight: int) -> Text:
    """`weight` percent as a bar and a number."""
    filled = round(_BAR * weight / 100)
    return Text.assemble(("█" * filled, "yellow"), ("░" * (_BAR - filled), "dim"), f" {weight:3d}%")


def _failed(standing: Standing) -> Text:
    style = "red" if standing.failed_checks else "dim"
    return Text(f"{standing.failed_checks}/{standing.threshold}", style=style)


def shown(check: Check) -> Text:
    """A check with its number and its bound."""
    name = _SHORT.get(check.metric, check.metric)
    value = check.verdict if check.value is None else f"{check.value:.1f}{check.unit}"
    bounds = [
        f"{sign} {bound:g}{check.unit}"
        for sign, bound in (("≥", check.minimum), ("≤", check.maximum))
        if bound is not None
    ]
    mark, style = ("✓", "green") if check.passed else ("✗", "red")
    return Text.assemble((f"{mark} ", style), f"{name} {value} ", (" ".join(bounds), "dim"))


def _news(standings: Sequence[Standing]) -> list[Text]:
    """The newest events of all canaries, oldest first."""
    found = [(event, standing) for standing in standings for event in standing.events]
    newest = sorted(found, key=lambda pair: pair[0].at)[-_NEWEST:]
    return [_news_line(event, standing) for event, standing in newest]


def _news_line(event: Event, standing: Standing) -> Text:
    style = "red" if event.type == "Warning" else ""
    clock = event.at[11:19]
    text = Text.assemble((f"{clock}  ", "dim"), f"{standing.act.ref.namespace:<9} ")
    text.append(event.message, style=style)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
