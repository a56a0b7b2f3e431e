"""From the bytes of an API server to objects that everybody here can handle.

Who may write one object must not blind those who watch all of them: one nested 1,000 levels would
make Python's parser give up the whole page. So an odd object loses the parts that nobody can
handle and is told apart as `Odd`, and all others are as they were sent. Odd are objects and lists
below `LEVELS`, numbers beyond 64 bits and such as JSON does not have, and texts that are no
Unicode.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from clients import errors

log = logging.getLogger(__name__)

LEVELS: Final = 64
"""How deep an object may be nested: twice what Kubernetes' own kinds need, and far from the some
300 levels at which recursive code ends."""

LONGEST_WHOLE: Final = 20
"""Characters of a whole number: those of 64 bits, with a sign."""

_PRUNED_AT: Final = LEVELS + 4  # the page, its items and an event are levels too
_UNFIT: Final = object()
_HALF_CHARACTER: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class Odd(dict[str, Any]):
    """An object without the parts that nobody could handle; `reason` names the first of them."""

    def __init__(self, kept: dict[str, Any], reason: str) -> None:
        super().__init__(kept)
        self.reason: Final = reason


def single(data: bytes, where: str) -> Any:
    """The object that `data` holds, maybe an `Odd` one. Raises ValueError for what is not JSON."""
    value, suspect = _parsed(data)
    return _cleaned(value, where, suspect=suspect) if isinstance(value, dict) else value


def page(data: bytes, where: str) -> Any:
    """The list that `data` holds, without items that have no name. Raises ValueError."""
    value, suspect = _parsed(data)
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        items = (_named(item, where, suspect=suspect) for item in value["items"])
        value["items"] = [item for item in items if item is not None]
    return value


def event(data: bytes, where: str) -> Any:
    """The watch event that `data` holds, its object cleaned. Raises ValueError."""
    value, suspect = _parsed(data)
    if isinstance(value, dict) and isinstance(value.get("object"), dict):
        value["object"] = _cleaned(value["object"], where, suspect=suspect)
    return value


def _named(item: Any, where: str, *, suspect: bool) -> dict[str, Any] | None:
    if name_of(item):
        return _cleaned(item, where, suspect=suspect)
    log.warning("left out: an item without a name", extra={"collection": where})
    return None


def name_of(raw: Any) -> str:
    """`namespace/name` of an object, as far as it has them; empty without a name."""
    metadata = raw.get("metadata") if isinstance(raw, dict) else None
    if not isinstance(metadata, dict):
        return ""
    namespace, name = metadata.get("namespace", ""), metadata.get("name")
    if not (isinstance(name, str) and isinstance(namespace, str)):
        return ""
    return f"{namespace}/{name}" if namespace and name else name


# -- parsing ------------------------------------------------------------------------------------


def _parsed(data: bytes) -> tuple[Any, bool]:
    """The JSON value, and whether parts of it may be unfit."""
    try:
        if not _HALF_CHARACTER.search(data):
            value = _STRICT.decode(data.decode())
            has_few = data.count(b"{") + data.count(b"[") <= LEVELS
            return value, not (has_few or _is_shallow(value))
    except (ValueError, RecursionError):
        pass  # something in it is odd, or it is no JSON at all
    return _LENIENT.decode(_pruned(data.decode("utf-8", "surrogateescape"))), True


def _pruned(text: str) -> str:
    """The JSON text with NaN in the place of whatever is nested too deep."""
    kept, depth, position = [], 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[":
                depth += 1
                if depth == _PRUNED_AT:
                    kept.append(text[position : token.start()] + "NaN")
            case "}" | "]":
                if depth == _PRUNED_AT:
                    position = token.end()
                depth -= 1
            case _:
                pass  # a string
    return "".join(kept) + (text[position:] if depth < _PRUNED_AT else "")


def _decoder(unfit: Callable[[str], Any], *, strict: bool) -> json.JSONDecoder:
    """A decoder that has `unfit` say what stands for numbers beyond 64 bits, NaN and infinity."""

    def whole(text: str) -> Any:
        return int(text) if len(text) <= LONGEST_WHOLE else unfit(text)

    def fraction(text: str) -> Any:
        number = float(text)
        return unfit(text) if math.isinf(number) else number

    return json.JSONDecoder(
        parse_int=whole, parse_float=fraction, parse_constant=unfit, strict=strict
    )


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is not JSON, or beyond 64 bits")


_STRICT: Final = _decoder(_refused, strict=True)
_LENIENT: Final = _decoder(lambda _: _UNFIT, strict=False)


# -- cleaning -----------------------------------------------------------------------------------


def _cleaned(raw: dict[str, Any], where: str, *, suspect: bool) -> dict[str, Any]:
    if not suspect:
        return raw
    if isinstance(raw.get("metadata"), dict):
        raw["metadata"].pop("managedFields", None)  # nested deepest, and read by nobody
    reasons = list(_left_out(raw))
    if not reasons:
        return raw
    reason = errors.capped("; ".join(reasons[:3])).encode(errors="replace").decode()
    extra = {"collection": where, "object": name_of(raw), "reason": reason}
    log.warning("odd object set aside", extra=extra)
    return Odd(raw, reason)


def _is_shallow(value: Any) -> bool:
    """Whether nothing in the whole page, event or object is nested too deep."""
    layer: list[Any] = [value] if type(value) in _HOLDERS else []
    for _ in range(LEVELS):
        layer = [
            child
            for each in layer
            for child in (each.values() if type(each) is dict else each)
            if type(child) in _HOLDERS
        ]
        if not layer:
            return True
    return False


_HOLDERS: Final = frozenset({dict, list})


def _left_out(raw: dict[str, Any]) -> Iterator[str]:
    """Puts null, or a readable text, in the place of what is unfit; says what was where."""
    layer: list[tuple[str, Any]] = [("", raw)]
    for level in range(LEVELS):
        inner: list[tuple[str, Any]] = []
        for place, holder in layer:
            for key, child in list(holder.items() if type(holder) is dict else enumerate(holder)):
                path = f"{place}.{key}" if place else str(key)
                if child is _UNFIT or (type(child) in _HOLDERS and level == LEVELS - 1):
                    holder[key] = None
                    yield f"{path}: {_UNFIT_WORDS}"
                elif type(child) in _HOLDERS:
                    inner.append((path, child))
                elif not all(map(_is_unicode, (key, child))):
                    holder[key] = None
                    if type(holder) is dict:
                        del holder[key]
                    yield f"{path}: is no Unicode"
        layer = inner


_UNFIT_WORDS: Final = f"nested deeper than {LEVELS} levels, or a number beyond 64 bits"


def _is_unicode(value: Any) -> bool:
    try:
        return not isinstance(value, str) or bool(value.encode()) or not value
    except UnicodeEncodeError:
        return False
