"""Reads the Secrets of MetricTemplates for the backends that use them.

What they hold is in the memory of the backend alone. The words of an API server about a Secret are
not repeated: who knows what it quotes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from analysis.backends.backend import Credentials, SecretKey
from clients import errors
from clients.clock import Clock
from clients.kube import resources
from clients.kube.protocol import Kube

LONGEST_READ: Final = 1.5
"""Seconds for reading one; with the query after it this is not much longer than that alone."""


@dataclass(frozen=True, slots=True)
class SecretReader:
    """Reads Secrets, in any namespace."""

    kube: Kube
    clock: Clock

    def read(self, secret: SecretKey) -> Credentials:
        """All texts that the Secret holds, by key. Raises the errors of the door."""
        kube = self.kube.until(self.clock.monotonic() + LONGEST_READ)
        try:
            raw = kube.get(resources.SECRETS, secret.namespace, secret.name)
        except errors.NotFound:
            raise errors.NotFound("not found") from None
        except errors.ClientError as refused:
            words = refused.reason or type(refused).__name__
            raise type(refused)(f"get query error: {words}", status=refused.status) from None
        return Credentials(dict(_texts(raw.get("data") or {})))


def _texts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is text in the `data` of a Secret: whatever else is there, nobody asks for."""
    for key, value in data.items():
        try:
            yield key, base64.b64decode(value, validate=True).decode()
        except (binascii.Error, TypeError, ValueError):
            continue
