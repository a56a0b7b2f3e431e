"""Raw JSON to models: what is wrong with sizes, types and required keys, in terms of the manifest.

Sizes are looked at first, after the table of `config.api.bounds`: neither pydantic nor a rule ever
loops over a list that is too long. pydantic checks the types; its errors are translated into
problems, and what is broken is pruned so that the rest can still be judged in the same round.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config import durations
from config.api import bounds, schema
from config.api.bounds import Bound, Schema
from config.api.model import Model
from config.validation.problems import InvalidSpec, Problem, path, shown

M = TypeVar("M", bound=Model)
S = TypeVar("S", bound=Model)

Location = tuple[str | int, ...]

_ALLOWED: Final = {
    "missing": "a value",
    "string_type": "a text",
    "string_unicode": "a text of valid Unicode",
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "mapping_type": "an object",
    "dict_type": "an object",
    "tuple_type": "a list",
    "list_type": "a list",
}
#: Parts that every judgement needs, with values that cause no problem of their own.
_STAND_INS: Final[Mapping[Location, Any]] = {
    ("spec", "targetRef"): {"apiVersion": "apps/v1", "kind": "Deployment", "name": "target"},
    ("metadata",): {"name": "canary", "namespace": "default"},
}


class Broken(NamedTuple):
    """A part of a manifest that cannot be judged, and what is wrong with it."""

    location: Location
    problem: Problem
    is_missing: bool = False


class BrokenParts(ValueError):
    """A raw object that is no model, for its `parts`."""

    def __init__(self, parts: Iterable[Broken]) -> None:
        self.parts = tuple(parts)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with each part."""
        return tuple(part.problem for part in self.parts)


def parse(model: type[M], raw: Any) -> M:
    """The raw object as a model, by wire names only. Raises BrokenParts."""
    try:
        return model.model_validate(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
    raise BrokenParts(map(_broken, details))


def loaded(
    whole: type[Model], spec: type[S], raw: Any, rules: Callable[[S], Iterator[Problem]]
) -> S:
    """The `spec` of a raw object, which is a `whole` then; `rules` see what types do not show.

    Raises InvalidSpec with every problem found.
    """
    oversized = tuple(excesses(spec, raw))
    if oversized:
        raise InvalidSpec(part.problem for part in oversized)
    try:
        known: S = getattr(parse(whole, raw), "spec")  # noqa: B009 - of both kinds
    except BrokenParts as error:
        raise InvalidSpec(error.problems) from None
    problems = tuple(rules(known))
    if problems:
        raise InvalidSpec(problems)
    return known


def _broken(details: ErrorDetails) -> Broken:
    missing, location = details["type"] == "missing", details["loc"]
    problem = Problem.invalid(
        path(location) or "the object",
        shown(None if missing else details["input"]),
        _allowed(details),
        "is required" if missing else "has a wrong type or value",
    )
    return Broken(location, problem, missing)


def _allowed(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    for key in ("allowed", "expected"):
        if key in context:
            return str(context[key]).replace("'", "")
    if details["type"].startswith("datetime") or details["type"].startswith("timezone"):
        return "an RFC 3339 date and time"
    return _ALLOWED.get(details["type"], details["msg"])


def without(raw: Any, parts: Iterable[Broken]) -> Any:
    """A copy of the raw object without these parts.

    A broken element takes its whole list with it, so that indices of what stays are right; a
    missing key takes the object it is missing from. Target and metadata get stand-ins: without
    them nothing could be judged.
    """
    kept = raw
    for location, _, is_missing in parts:
        cut = location[:-1] if is_missing else location
        before_lists = tuple(takewhile(lambda part: not isinstance(part, int), cut))
        if before_lists:
            kept = _put(kept, before_lists, None)
        for place, value in _STAND_INS.items():
            if location[: len(place)] == place:
                kept = _put(kept, place, value)
    return kept


def _put(raw: Any, location: Sequence[str | int], value: Any) -> Any:
    """A copy of `raw` with the value at the location; None takes away what is there."""
    if not location:
        return value
    if not isinstance(raw, Mapping):
        return None
    key, rest = location[0], location[1:]
    if value is None and key not in raw:
        return raw
    kept = {other: part for other, part in raw.items() if other != key}
    inner = _put(raw.get(key), rest, value)
    return kept if inner is None else {**kept, key: inner}


def excesses(spec: type[Model], raw: Any) -> Iterator[Broken]:
    """The parts of a raw object that has such a `spec` that are out of bounds.

    What is below one of them is not looked at. Values of a wrong type are passed over: they are
    refused for that.
    """
    if isinstance(raw, Mapping):
        yield from _parts(_with_bounds(spec), raw.get("spec"), ("spec",))


@functools.cache
def _with_bounds(spec: type[Model]) -> Schema:
    """The schema of the spec with the bound, or None, of each node under `bound`."""
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
            told = _too_long(len(key), bounds.LONGEST_KEY, "characters of a key")
            yield Broken(location, Problem.invalid(path(location), *told))
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
