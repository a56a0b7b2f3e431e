"""Request bodies in Kubernetes' protobuf form, as JSON objects.

kubectl's typed commands (`create deployment`, `autoscale`, …) send it; answers are always JSON,
which every client accepts. Built-in kinds only. Source: `apimachinery/pkg/runtime/serializer/
protobuf` (the envelope) and the field numbers in `fields.json`.
"""

import base64
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from config import moments
from sandbox.apiserver import errors, fields
from sandbox.apiserver.fields import Field
from sandbox.apiserver.objects import Obj

CONTENT_TYPE: Final = "application/vnd.kubernetes.protobuf"
MAGIC: Final = b"k8s\x00"
_INT64: Final = 1 << 64


def decode(text: bytes) -> Obj:
    """The object in a request body; BadRequest when it is malformed or of an unknown kind."""
    if not text.startswith(MAGIC):
        raise errors.bad_request("the object provided is unrecognized: no protobuf envelope")
    try:
        envelope = dict(_wire(text[len(MAGIC) :]))
        meta = {number: value.decode() for number, value in _wire(envelope.get(1, b""))}
        api_version, kind = meta.get(1, ""), meta.get(2, "")
        group, _, version = api_version.rpartition("/")
        message = fields.message_of(group, version, kind)
        if message is None:
            raise errors.bad_request(f'no kind "{kind}" is registered for "{api_version}"')
        return {"apiVersion": api_version, "kind": kind, **_message(message, envelope.get(2, b""))}
    except (IndexError, ValueError, struct.error) as error:
        raise errors.bad_request(f"the object provided is unrecognized: {error}") from error


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and raw values: int for varints, bytes for the rest."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        match tag & 7:
            case 0:
                value, place = _varint(data, place)
                yield tag >> 3, value
            case 1:
                yield tag >> 3, data[place : place + 8]
                place += 8
            case 2:
                size, place = _varint(data, place)
                if place + size > len(data):
                    raise ValueError("protobuf field is cut off")
                yield tag >> 3, data[place : place + size]
                place += size
            case wire_type:
                raise ValueError(f"protobuf wire type {wire_type} is not used by Kubernetes")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _message(name: str, data: bytes) -> Obj:
    by_number = {field.number: field for field in fields.fields_of(name)}
    result: Obj = {}
    for number, raw in _wire(data):
        if (field := by_number.get(number)) is not None:
            _put(result, field, raw)
    return result


def _put(result: Obj, field: Field, raw: Any) -> None:
    if field.name.startswith(fields.INLINE):
        result.update(_message(field.type, raw))
    elif field.type.startswith("[]"):
        result.setdefault(field.name, []).append(_value(field.type[2:], raw))
    elif field.type.startswith("map:"):
        entry = dict(_wire(raw))
        value = _value(field.type.removeprefix("map:"), entry.get(2, b""))
        result.setdefault(field.name, {})[entry.get(1, b"").decode()] = value
    else:
        value = _value(field.type, raw)
        if field.keeps_zero or value not in ("", 0, None):
            result[field.name] = value


def _value(kind: str, raw: Any) -> Any:
    if kind in _SCALARS:
        return _SCALARS[kind](raw)
    if kind.startswith("[]"):
        return [_value(kind[2:], item) for _, item in _wire(raw)]
    return _message(kind, raw)


def _signed(raw: int) -> int:
    return raw - _INT64 if raw >= _INT64 >> 1 else raw


def _part(raw: bytes, number: int, absent: Any) -> Any:
    return dict(_wire(raw)).get(number, absent)


def _int_or_string(raw: bytes) -> int | str:
    parts = dict(_wire(raw))
    return str(parts.get(3, b""), "utf-8") if parts.get(1) else _signed(parts.get(2, 0))


def _time(parts: dict[int, int], *, micro: bool) -> str | None:
    seconds = _signed(parts.get(1, 0))
    if not parts or seconds < 0:
        # Go's zero time: JSON null.
        return None
    moment = moments.EPOCH + timedelta(seconds=seconds, microseconds=parts.get(2, 0) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


_SCALARS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "bool": bool,
    "bytes": lambda raw: base64.b64encode(raw).decode(),
    "float": lambda raw: struct.unpack("<d", raw)[0],
    "int": _signed,
    "intstr": _int_or_string,
    "microtime": lambda raw: _time(dict(_wire(raw)), micro=True),
    "quantity": lambda raw: _part(raw, 1, b"").decode(),
    "raw": lambda raw: json.loads(_part(raw, 1, b"null") or b"null"),
    "string": lambda raw: raw.decode(),
    "time": lambda raw: _time(dict(_wire(raw)), micro=False),
}
