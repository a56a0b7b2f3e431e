"""Raw JSON to models: what is wrong with types and required keys, in terms of the manifest.

pydantic checks; this module translates its errors into problems, and prunes what is broken so
that the rest of the manifest can still be judged in the same round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.api.model import Model
from config.validation.problems import Problem, path, shown

M = TypeVar("M", bound=Model)

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
        kept = _standing_in(_without(kept, _up_to_first_index(cut)), location)
    return kept


def _standing_in(raw: Any, location: Location) -> Any:
    """`raw` with a harmless value where the part at `location` is needed for any judgement."""
    for place, value in _STAND_INS.items():
        if location[: len(place)] == place and isinstance(raw, Mapping):
            *outer, last = place
            inner = raw.get(outer[0]) if outer else raw
            if isinstance(inner, Mapping):
                replaced = {**inner, last: value}
                return {**raw, outer[0]: replaced} if outer else replaced
    return raw


def _up_to_first_index(location: Location) -> Location:
    for position, part in enumerate(location):
        if isinstance(part, int):
            return location[:position]
    return location


def _without(raw: Any, location: Sequence[str | int]) -> Any:
    if not location or not isinstance(raw, Mapping):
        return raw
    key, rest = location[0], location[1:]
    if key not in raw:
        return raw
    if rest and isinstance(raw[key], Mapping):
        return {**raw, key: _without(raw[key], rest)}
    return {other: value for other, value in raw.items() if other != key}
