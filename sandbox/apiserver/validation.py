"""Values checked against structural OpenAPI v3 schemas, in the words Kubernetes uses.

One small function per schema keyword, in the tables below. Own code rather than a JSON Schema
library because each message, path and error type has to be Kubernetes' anyway, and because this
runs on every write. Source of the wording: k8s.io/kube-openapi `pkg/validation`.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sandbox.apiserver import errors
from sandbox.apiserver.errors import FieldError
from sandbox.apiserver.objects import encode
from sandbox.apiserver.resources import Schema
from sandbox.apiserver.schema import INT_OR_STRING, ROOT_FIELDS, child_path

Check: TypeAlias = Callable[[Schema, Any, str], Iterator[FieldError]]


def problems(schema: Schema, obj: Mapping[str, Any]) -> list[FieldError]:
    """Everything in `obj` its schema forbids, in the order of the schema's fields."""
    rest = {name: value for name, value in obj.items() if name not in ROOT_FIELDS}
    body = {**schema, "required": [f for f in schema.get("required", ()) if f not in ROOT_FIELDS]}
    return list(check(body, rest, ""))


def type_of(value: Any) -> str:
    """The OpenAPI type name of a JSON value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _has_type(wanted: str, value: Any) -> bool:
    found = type_of(value)
    return (
        found == wanted
        or (wanted == "number" and found == "integer")
        or (wanted == "integer" and found == "number" and float(value).is_integer())
    )


def check(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    """What `schema` forbids in `value`, which stands at `path`."""
    if value is None and (schema.get("nullable") or "type" not in schema):
        return
    mistyped = _type_problem(schema, value, path)
    if mistyped is not None:
        yield mistyped
        return
    if "enum" in schema and value not in schema["enum"]:
        yield errors.unsupported(path, value, schema["enum"])
    yield from _CHECKS_BY_TYPE[type_of(value)](schema, value, path)
    if not _COMBINERS.isdisjoint(schema):
        yield from _combined(schema, value, path)


def _type_problem(schema: Schema, value: Any, path: str) -> FieldError | None:
    if schema.get(INT_OR_STRING):
        allowed: tuple[str, ...] = ("integer", "string")
    elif "type" in schema:
        allowed = (schema["type"],)
    else:
        return None
    if any(_has_type(wanted, value) for wanted in allowed):
        return None
    found = type_of(value)
    detail = f'{path} in body must be of type {",".join(allowed)}: "{found}"'
    return errors.type_invalid(path, found, detail)


def _body(path: str, value: Any, must: str) -> FieldError:
    return errors.invalid_value(path, value, f"{path} in body {must}")


def _string(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        yield _body(path, value, f"should be at least {schema['minLength']} chars long")
    if len(value) > schema.get("maxLength", math.inf):
        limit = schema["maxLength"]
        text = f"Too long: may not be more than {limit} bytes"
        yield FieldError(path, "FieldValueTooLong", text)
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield _body(path, value, f"should match '{schema['pattern']}'")
    if "format" in schema and not _FORMATS.get(schema["format"], _any_text)(value):
        detail = f"{path} in body must be of type {schema['format']}: {errors.quoted(value)}"
        yield errors.invalid_value(path, value, detail)


def _number(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
    if "minimum" in schema:
        limit, exclusive = schema["minimum"], schema.get("exclusiveMinimum", False)
        if value < limit or (exclusive and value == limit):
            must = "greater than" if exclusive else "greater than or equal to"
            yield _body(path, value, f"should be {must} {limit}")
    if "maximum" in schema:
        limit, exclusive = schema["maximum"], schema.get("exclusiveMaximum", False)
        if value > limit or (exclusive and value == limit):
            must = "less than" if exclusive else "less than or equal to"
            yield _body(path, value, f"should be {must} {limit}")
    if "multipleOf" in schema and math.fmod(value, schema["multipleOf"]):
        yield _body(path, value, f"should be a multiple of {schema['multipleOf']}")


def _array(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minItems", 0):
        yield _body(path, len(value), f"should have at least {schema['minItems']} items")
    if len(value) > schema.get("maxItems", math.inf):
        text = f"Too many: {len(value)}: must have at most {schema['maxItems']} items"
        yield FieldError(path, "FieldValueTooMany", text)
    if schema.get("uniqueItems") and len({encode(item) for item in value}) < len(value):
        yield _body(path, value, "shouldn't contain duplicates")
    if "items" in schema:
        for index, item in enumerate(value):
            yield from check(schema["items"], item, f"{path}[{index}]")


def _object(schema: Schema, value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in schema.get("required", ()):
        if name not in value:
            yield errors.required(child_path(path, name))
    if len(value) < schema.get("minProperties", 0):
        yield _body(path, len(value), f"should have at least {schema['minProperties']} properties")
    if len(value) > schema.get("maxProperties", math.inf):
        text = f"Too many: {len(value)}: must have at most {schema['maxProperties']} items"
        yield FieldError(path, "FieldValueTooMany", text)
    known = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    for name, item in value.items():
        part = known.get(name, extra)
        if isinstance(part, Mapping):
            yield from check(part, item, child_path(path, name))


def _nothing(_schema: Schema, _value: Any, _path: str) -> Iterator[FieldError]:
    return iter(())


def _combined(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    for part in schema.get("allOf", ()):
        yield from check(part, value, path)
    if "anyOf" in schema and not _matching(schema["anyOf"], value, path):
        yield _combination(path, "must validate at least one schema (anyOf)")
    if "oneOf" in schema:
        match _matching(schema["oneOf"], value, path):
            case 0:
                must = "must validate one and only one schema (oneOf). Found none valid"
                yield _combination(path, must)
            case 1:
                pass
            case count:
                must = f"must validate one and only one schema (oneOf). Found {count} valid"
                yield _combination(path, f"{must} alternatives")
    if "not" in schema and _matching([schema["not"]], value, path):
        yield _combination(path, "must not validate the schema (not)")


def _combination(path: str, must: str) -> FieldError:
    return errors.invalid_value("<nil>", "", f'"{path}" {must}')


def _matching(parts: list[Schema], value: Any, path: str) -> int:
    return sum(1 for part in parts if next(check(part, value, path), None) is None)


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _is_date_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _any_text(_: str) -> bool:
    return True


_COMBINERS: Final = frozenset({"allOf", "anyOf", "oneOf", "not"})
_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {"date-time": _is_date_time}
_CHECKS_BY_TYPE: Final[Mapping[str, Check]] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "array": _array,
    "object": _object,
    "boolean": _nothing,
    "null": _nothing,
}
