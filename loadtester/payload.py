"""What a webhook posts, as far as the load tester reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from config.refs import ObjectRef


class BadPayloadError(ValueError):
    """A body that is no payload."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Who asks, and what for; absent fields are empty."""

    name: str = ""
    namespace: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> ObjectRef:
        """The canary."""
        return ObjectRef(self.namespace, self.name)


def parse(body: bytes) -> Payload:
    """The payload in `body`. Raises BadPayloadError for what is none.

    As in Go: `null` is an absent field, and fields that are not known are ignored.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPayloadError("no JSON") from error
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise BadPayloadError("no object")
    metadata = document.get("metadata")
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict):
        raise BadPayloadError("metadata: no object")
    return Payload(
        _text(document, "name"),
        _text(document, "namespace"),
        {_printable(key): _text(metadata, key) for key in metadata},
    )


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadPayloadError(f"{key}: no text")
    return _printable(value)


def _printable(text: str) -> str:
    """`text` without halves of surrogate pairs, which JSON may hold and no encoding knows."""
    return text.encode("utf-8", "replace").decode("utf-8")
