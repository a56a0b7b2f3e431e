"""What a person sees: a live table on a terminal, lines anywhere else, and the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rich.console import Console, Group
from rich.live import Live
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
_BAR: Final = 16
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
    for result in results:
        for line in _story(result):
            console.print(line, soft_wrap=True)
        console.print()
    good = sum(not result.faults for result in results)
    style = "bold green" if good == len(results) else "bold red"
    text = f"{good} of {len(results)} ended as they should, after {seconds:.0f} s"
    console.print(Text(text, style=style))


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
    yield _detail("because", f"{act.about}: {verdict.why(standing) or 'every check passed'}")
    for fault in result.faults:
        yield _detail("fault", fault, style="bold red")


def _detail(name: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"    {name:<14} ", "dim"), (text, style))


def _screen(heading: str, seconds: float, standings: Sequence[Standing]) -> Group:
    head = Text.assemble(("coalmine demo", "bold"), f"  {heading}  ", (f"{seconds:.0f} s", "dim"))
    lines = [line for standing in standings for line in (*_rows(standing), Text())]
    return Group(head, Text(), *lines, *_news(standings))


def _rows(standing: Standing) -> tuple[Text, Text]:
    """Where a canary stands, and its last checks; 80 columns are enough."""
    act, style = standing.act, _PHASES.get(standing.phase, "")
    first = Text.assemble(
        (f"{act.ref!s:<18}", "bold"),
        f" {_release(act):<14}",
        (f" {standing.phase or '…':<12} ", style),
        bar(standing.weight),
        _failed(standing),
    )
    checks = [shown(check) for check in standing.checks]
    second = Text("   ").join([Text(" " * 16), *checks]) if checks else Text()
    return _one_line(first), _one_line(second)


def _release(act: story.Act) -> str:
    return f"{story.tag(act.old_image)} → {story.tag(act.new_image)}"


def bar(weight: int) -> Text:
    """`weight` percent as a bar and a number."""
    filled = round(_BAR * weight / 100)
    return Text.assemble(("█" * filled, "yellow"), ("░" * (_BAR - filled), "dim"), f" {weight:3d}%")


def _failed(standing: Standing) -> Text:
    if not standing.failed_checks:
        return Text()
    return Text(f"  {standing.failed_checks}/{standing.threshold} failed", style="red")


def shown(check: Check) -> Text:
    """A check with its number and its bound."""
    name = _SHORT.get(check.metric, check.metric)
    digits = 0 if check.unit == "ms" else 1
    value = check.verdict if check.value is None else f"{check.value:.{digits}f}{check.unit}"
    bounds = [
        f"{sign} {bound:g}{check.unit}"
        for sign, bound in (("≥", check.minimum), ("≤", check.maximum))
        if bound is not None
    ]
    mark, style = ("✓", "green") if check.passed else ("✗", "red")
    return Text.assemble((f"{mark} ", style), f"{name} {value} ", (" ".join(bounds), "dim"))


def _one_line(text: Text) -> Text:
    """`text`, cut where the screen ends."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


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
    return _one_line(text)
