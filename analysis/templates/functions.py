"""The functions that templates may call besides the names of the canary.

They behave as Go's of the same name; where Go would print a complaint into the text (as `%!d`),
they raise Misuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

Map = Mapping[str, str]
Value = str | int | bool | Map
Function = Callable[..., Value]

LONGEST: Final = 262_144
"""Characters of a rendered text, and of what one function is given. A short template may name a
long variable thousands of times."""


class Misuse(Exception):
    """A function called with what it does not take."""


def printed(value: Value) -> str:
    """`value` as Go prints it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case _:
            entries = " ".join(f"{key}:{value[key]}" for key in sorted(value))
            return f"map[{entries}]"


def bounded(values: Iterable[Value]) -> tuple[Value, ...]:
    """`values`, as what one function is given. Raises Misuse when they are too long."""
    known = tuple(values)
    if sum(map(_length, known)) > LONGEST:
        raise Misuse(f"given more than {LONGEST} characters")
    return known


def _length(value: Value) -> int:
    """How many characters `value` has when printed, about."""
    if isinstance(value, Mapping):
        return sum(len(key) + len(text) + 2 for key, text in value.items())
    return len(str(value))


def constant(value: Value) -> Function:
    """A function without arguments that gives `value`."""

    def given(*arguments: Value) -> Value:
        if arguments:
            raise Misuse(f"{len(arguments)} arguments given; allowed: none")
        return value

    return given


def _first(values: Iterable[Value], *, empty: bool) -> Value:
    """The first value that is empty, or is not, else the last; later ones are not evaluated."""
    value: Value | None = None
    for value in values:
        if bool(value) is not empty:
            return value
    if value is None:
        raise Misuse("no arguments given; allowed: one or more")
    return value


def _not(*values: Value) -> bool:
    (value,) = _exactly(1, values)
    return not value


def _eq(*values: Value) -> bool:
    if len(values) < 2:
        raise Misuse(f"{len(values)} arguments given; allowed: two or more")
    # every pair is compared: one of another type is an error even after a match
    return True in [_same(values[0], other) for other in values[1:]]


def _ne(*values: Value) -> bool:
    first, second = _exactly(2, values)
    return not _same(first, second)


def _same(first: Value, second: Value) -> bool:
    if isinstance(first, Mapping) or isinstance(second, Mapping):
        raise Misuse("maps cannot be compared")
    if type(first) is not type(second):
        raise Misuse(f"incompatible types: {printed(first)!r} and {printed(second)!r}")
    return first == second


def _index(*values: Value) -> Value:
    collection, key = _exactly(2, values)
    if not isinstance(collection, Mapping) or not isinstance(key, str):
        raise Misuse('allowed: a map and a text, such as index variables "key"')
    return collection.get(key, "")


def _print(*values: Value) -> str:
    return "".join(map(printed, values))


def _printf(*values: Value) -> str:
    if not values or not isinstance(values[0], str):
        raise Misuse("the first argument must be the format, a text")
    rest = iter(values[1:])
    text = _VERB.sub(lambda verb: _formatted(verb[0], rest), values[0])
    if left := len(list(rest)):
        raise Misuse(f"{left} arguments more than the format uses")
    return text


def _formatted(verb: str, values: Iterable[Value]) -> str:
    if verb == "%%":
        return "%"
    if verb not in _VERBS:
        raise Misuse(f"format {verb} is not supported; allowed: %s, %d, %q, %v, %%")
    value = next(iter(values), None)
    if value is None:
        raise Misuse(f"no argument left for {verb}")
    return _VERBS[verb](value)


def _as_text(value: Value) -> str:
    if not isinstance(value, str):
        raise Misuse(f"%s needs a text, not {printed(value)}")
    return value


def _as_number(value: Value) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Misuse(f"%d needs a number, not {printed(value)!r}")
    return str(value)


def _quoted(value: Value) -> str:
    return '"' + "".join(map(_escaped, _as_text(value))) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if character.isprintable():
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _exactly(count: int, values: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(values) != count:
        raise Misuse(f"{len(values)} arguments given; allowed: {count}")
    return values


_ESCAPES: Final = {
    character: f"\\{letter}"
    for character, letter in zip('\a\b\f\n\r\t\v\\"', 'abfnrtv\\"', strict=True)
}
_VERB: Final = re.compile(r"%(?:[-+# 0-9.*\[\]]*[A-Za-z%]|$)|%.", re.DOTALL)
_VERBS: Final[Mapping[str, Callable[[Value], str]]] = {
    "%s": _as_text,
    "%d": _as_number,
    "%q": _quoted,
    "%v": printed,
}
LAZY: Final[Mapping[str, Callable[[Iterable[Value]], Value]]] = {
    "and": partial(_first, empty=True),
    "or": partial(_first, empty=False),
}
BUILTINS: Final[Mapping[str, Function]] = {
    "not": _not,
    "eq": _eq,
    "ne": _ne,
    "index": _index,
    "print": _print,
    "printf": _printf,
}
