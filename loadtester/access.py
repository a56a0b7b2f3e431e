"""Who may ask, and who it was that asked."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from loadtester.jobs import Refused

_DIGEST: Final = "sha256:"
"""Begins a token file that has the token's digest: tasks, which can read it, learn no token."""

_LONGEST: Final = 200
"""Characters of a name or a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Access:
    """The namespaces that may ask, and the file with the token that changing a gate takes."""

    namespaces: re.Pattern[str] | None = None
    token_file: Path | None = None

    def admits(self, namespace: str) -> bool:
        """Whether `namespace` may ask; the pattern may stand anywhere in it, as with Flagger."""
        return self.namespaces is None or self.namespaces.search(namespace) is not None

    def check(self, authorization: str) -> None:
        """Raises Refused unless `authorization`, the header, has the token, where there is one."""
        if self.token_file is None:
            return
        try:
            token = self.token_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            text = "the token cannot be read"
            raise Refused(text, HTTPStatus.SERVICE_UNAVAILABLE) from error
        scheme, _, offered = authorization.partition(" ")
        if scheme != "Bearer" or not token or not _fits(offered, token):
            raise Refused("Unauthorized", HTTPStatus.UNAUTHORIZED)


def _fits(offered: str, token: str) -> bool:
    """Whether `offered` is `token`, or has the digest that stands in its place."""
    given = offered.encode("utf-8", "replace")
    if token.startswith(_DIGEST):
        offered_digest = f"{_DIGEST}{hashlib.sha256(given).hexdigest()}"
        return hmac.compare_digest(offered_digest, token.lower())
    return hmac.compare_digest(given, token.encode())


def told(text: str) -> str:
    """What somebody says of themselves, on one line of bounded length."""
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST]).strip()
