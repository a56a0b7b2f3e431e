"""Judged checks as the timeline has them, in words. Pure; workers read it, and draw nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis import figures
from cli.console import raw
from cli.console.raw import Raw

_EFFECTS: Final = {
    "passes": "the rollout may go on",
    "holds": "the rollout holds, at no cost",
    "counts": "it counts as a failed check",
}


@dataclass(frozen=True, slots=True)
class Check:
    """A judged check; `value` and limits in `unit`, None where there is none."""

    metric: str
    verdict: str
    effect: str = ""
    value: float | str | None = None
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether it was measured, and within its limits."""
        return self.verdict == "passed"

    @property
    def number(self) -> str:
        """The measured value, as its event has it; empty for none."""
        if self.value is None or isinstance(self.value, str):
            return self.value or ""
        return figures.measured(self.value, self.unit, self.minimum, self.maximum)


def of(item: Raw) -> Check:
    """The check in an entry of the timeline."""
    return Check(
        metric=raw.text(item, "metric"),
        verdict=raw.text(item, "verdict"),
        effect=raw.text(item, "effect"),
        value=raw.text(item, "value") or raw.decimal(item, "value"),  # a text for an infinity
        unit=raw.text(item, "unit"),
        minimum=raw.decimal(item, "minimum"),
        maximum=raw.decimal(item, "maximum"),
        message=raw.text(item, "message"),
    )


def limits(minimum: float | None, maximum: float | None, unit: str) -> str:
    """The inclusive limits of a check, such as `≥ 99%`."""
    bounds = (("≥", minimum), ("≤", maximum))
    told = (f"{sign} {figures.limit(bound, unit)}" for sign, bound in bounds if bound is not None)
    return " ".join(told)


def sentence(check: Check) -> str:
    """A check in words."""
    effect = _EFFECTS.get(check.effect, "")
    if not check.number:
        text = f"{check.metric} had no value ({check.verdict}): {check.message}"
        return f"{text}; {effect}." if effect else f"{text}."
    bounds = (("at least", check.minimum), ("at most", check.maximum))
    asked = " and ".join(
        f"{words} {figures.limit(bound, check.unit)}"
        for words, bound in bounds
        if bound is not None
    )
    verdict = check.verdict if check.passed or not effect else f"{check.verdict}, {effect}"
    return f"{check.metric} was {check.number}; {asked or 'no limit'} is asked for: {verdict}."
