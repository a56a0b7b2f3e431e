"""Whether numbers, durations and sizes are within the table of `config.api.bounds`.

Looked at before anything else: a rule never loops over a list that is too long.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from config import durations
from config.api import bounds, schema
from config.api.bounds import Bound, Schema
from config.api.model import Model
from config.validation.problems import Problem, path, shown
from config.validation.structure import Broken, Location


def excesses(model: type[Model], raw: Any) -> Iterator[Broken]:
    """The parts of the spec of a raw object that are out of bounds.

    What is below one of them is not looked at. Values of a wrong type are passed over: they are
    refused for that.
    """
    if isinstance(raw, Mapping):
        yield from _parts(_spec(model), raw.get("spec"), ("spec",))


@functools.cache
def _spec(model: type[Model]) -> Schema:
    """The schema of the spec with the bound, or None, of each node under `bound`."""
    spec: Any = model.model_fields["spec"].annotation
    return schema.bounded(spec, lambda node, path: {"bound": bounds.of(node, path)})


def _parts(node: Schema, value: Any, location: Location) -> Iterator[Broken]:
    if node["bound"] and (found := _excess(node["bound"], value)):
        yield Broken(location, Problem.invalid(path(location), *found))
    elif isinstance(value, list) and "items" in node:
        for index, item in enumerate(value):
            yield from _parts(node["items"], item, (*location, index))
    elif isinstance(value, Mapping):
        yield from _entries(node, value, location)


def _entries(node: Schema, value: Mapping[str, Any], location: Location) -> Iterator[Broken]:
    fields, others = node.get("properties", {}), node.get("additionalProperties")
    is_map = isinstance(others, Mapping)
    for key, child in value.items():
        if is_map and len(key) > bounds.LONGEST_KEY:
            found = _too_long(len(key), bounds.LONGEST_KEY, "characters of a key")
            yield Broken(location, Problem.invalid(path(location), *found))
        elif key in fields or is_map:
            yield from _parts(fields.get(key, others), child, (*location, key))


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
