"""Whether numbers, durations and sizes are within the table of `config.api.bounds`.

Looked at before anything else: a rule never loops over a list that is too long.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from config import durations
from config.api import bounds, schema
from config.api.bounds import Bound, Schema
from config.api.model import Model
from config.validation.problems import Problem, path, shown
from config.validation.structure import Broken, Location


@dataclass(frozen=True, slots=True)
class Limits:
    """The bound of one field, if it has one, and those of its parts."""

    bound: Bound | None
    fields: Mapping[str, Limits]
    items: Limits | None
    entries: Limits | None


def excesses(model: type[Model], raw: Any) -> Iterator[Broken]:
    """The parts of the spec of a raw object that are out of bounds.

    What is below one of them is not looked at. Values of a wrong type are passed over: they are
    refused for that.
    """
    if isinstance(raw, Mapping):
        yield from _parts(_limits(model), raw.get("spec"), ("spec",))


@functools.cache
def _limits(model: type[Model]) -> Limits:
    spec: Any = model.model_fields["spec"].annotation
    return _compiled(schema.structural(spec), "spec")


def _compiled(node: Schema, pattern: str) -> Limits:
    items, entries = node.get("items"), node.get("additionalProperties")
    fields = node.get("properties", {})
    return Limits(
        bounds.of(node, pattern),
        {key: _compiled(child, f"{pattern}.{key}") for key, child in fields.items()},
        _compiled(items, f"{pattern}[]") if isinstance(items, Mapping) else None,
        _compiled(entries, pattern + "{}") if isinstance(entries, Mapping) else None,
    )


def _parts(limits: Limits, value: Any, location: Location) -> Iterator[Broken]:
    if limits.bound and (found := _excess(limits.bound, value)):
        yield Broken(location, Problem.invalid(path(location), *found))
    elif limits.items and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _parts(limits.items, item, (*location, index))
    elif (limits.fields or limits.entries) and isinstance(value, Mapping):
        yield from _entries(limits, value, location)


def _entries(limits: Limits, value: Mapping[str, Any], location: Location) -> Iterator[Broken]:
    for key, child in value.items():
        inner = limits.fields.get(key, limits.entries)
        if limits.entries and len(key) > bounds.LONGEST_KEY:
            found = _too_long(len(key), bounds.LONGEST_KEY, "characters of a key")
            yield Broken(location, Problem.invalid(path(location), *found))
        elif inner:
            yield from _parts(inner, child, (*location, key))


def _excess(bound: Bound, value: Any) -> tuple[str, str, str] | None:
    """What was found, what is allowed, and why it is refused; None within the bound."""
    most = bound.most
    if isinstance(most, timedelta):
        return _duration(most, value) if isinstance(value, str) else None
    if isinstance(value, str | list | Mapping):
        what = "characters" if isinstance(value, str) else "entries"
        return _too_long(len(value), most, what) if len(value) > most else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value > most or (bound.least is not None and value < bound.least):
        allowed = f"up to {most}" if bound.least is None else f"from {bound.least} to {most}"
        return shown(value), f"a whole number {allowed}", "is out of range"
    return None


def _duration(longest: timedelta, text: str) -> tuple[str, str, str] | None:
    try:
        if durations.parse(text) <= longest:
            return None
    except durations.DurationError:  # a rule says what is wrong with it
        return None
    return shown(text), f"a duration up to {durations.format_go(longest)}", "is too long"


def _too_long(count: int, most: float, what: str) -> tuple[str, str, str]:
    return f"{count} {what}", f"at most {most} {what}", "is too long"
