"""What can go wrong at a door, as the four kinds that decide what happens next.

    ClientError             anything a door raises
    ├── Transient           try again later, with backoff; `retry_after` when the server said so
    │   └── Expired         the resourceVersion is older than the server remembers: list again
    ├── Conflict            someone else was faster: drop the work and observe again
    │   └── AlreadyExists   the object to create is already there
    ├── NotFound            a fact for the observation
    └── Permanent           a condition the user must see; retrying cannot help
        └── TooLarge        the answer has more bytes than are read

The only translation table from library exceptions and HTTP status codes; originals are chained.
Messages name what was being done and the server's own words, cut at `MAX_MESSAGE` characters, and
never a header, a URL's userinfo or its query.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import kubernetes.client.exceptions as kubernetes_errors
import kubernetes.config.config_exception as kubeconfig_errors
import redis.exceptions as redis_errors
import urllib3.exceptions as urllib3_errors

MAX_MESSAGE: Final = 256
"""Characters of a server's words that are kept: enough to read, too few to flood an event."""

LONGEST_DELAY: Final = 7 * 24 * 3600
"""Seconds; a server that asks for more patience than a week is not believed."""


class ClientError(Exception):
    """A door's failure, told to people by `message`.

    `status` is the HTTP status and `reason` the CamelCase word of a Kubernetes Status; None and
    empty where there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Transient(ClientError):
    """Worth trying again; not before `retry_after` has passed, where the server named a time."""


class Expired(Transient):
    """The server no longer has the history that was asked for (HTTP 410)."""


class Conflict(ClientError):
    """The object changed since it was read; nothing was written."""


class AlreadyExists(Conflict):
    """An object of that name exists; nothing was written."""


class NotFound(ClientError):
    """There is no such object, or no such kind."""


class Permanent(ClientError):
    """The same request will fail again: refused, invalid, forbidden or not understood."""


class TooLarge(Permanent):
    """The answer has more bytes than anybody here reads."""


UNAUTHORIZED: Final = 401

BY_STATUS: Final[Mapping[int, type[ClientError]]] = {
    **dict.fromkeys((408, 425, 429, 500, 502, 503, 504), Transient),
    404: NotFound,
    409: Conflict,
    410: Expired,
}
"""Statuses not listed here are `Permanent`."""

BY_EXCEPTION: Final[tuple[tuple[type[BaseException], type[ClientError], str], ...]] = (
    # The first row that matches decides: subclasses stand before their bases.
    (urllib3_errors.NameResolutionError, Transient, "the name does not resolve"),
    (urllib3_errors.NewConnectionError, Transient, "connecting failed"),
    (urllib3_errors.ConnectTimeoutError, Transient, "connecting timed out"),
    (urllib3_errors.TimeoutError, Transient, "timed out"),
    (urllib3_errors.ProxyError, Transient, "the proxy failed"),
    (urllib3_errors.ProtocolError, Transient, "the connection broke"),
    (urllib3_errors.URLSchemeUnknown, Permanent, "the URL's scheme is not supported"),
    (urllib3_errors.LocationValueError, Permanent, "the URL is not valid"),
    (redis_errors.AuthenticationError, Permanent, "the server refused the credentials"),
    (redis_errors.AuthorizationError, Permanent, "the server refused the credentials"),
    (redis_errors.ConnectionError, Transient, "the connection broke"),
    (redis_errors.TimeoutError, Transient, "timed out"),
    (redis_errors.ReadOnlyError, Transient, "the server is a replica"),
    (redis_errors.TryAgainError, Transient, "the server is moving keys"),
    (redis_errors.ClusterDownError, Transient, "the server is down"),
    (
        redis_errors.OutOfMemoryError,  # type: ignore[attr-defined]  # missing in types-redis
        Transient,
        "the server has no memory left",
    ),
    (redis_errors.ResponseError, Permanent, "the server refused the command"),
    (redis_errors.RedisError, Permanent, "the command failed"),
    (ssl.SSLCertVerificationError, Permanent, "the certificate is not trusted"),
    (ssl.SSLEOFError, Transient, "the connection broke"),
    (ssl.SSLZeroReturnError, Transient, "the connection broke"),
    (ssl.SSLError, Permanent, "TLS failed"),
    (urllib3_errors.SSLError, Permanent, "TLS failed"),
    (urllib3_errors.HTTPError, Transient, "the answer broke off"),
    (socket.gaierror, Transient, "the name does not resolve"),
    (FileNotFoundError, Permanent, "there is no such file"),
    (PermissionError, Permanent, "the file may not be read"),
    (IsADirectoryError, Permanent, "it is a folder, not a file"),
    (TimeoutError, Transient, "timed out"),
    (OSError, Transient, "the connection broke"),
)

WRAPPERS: Final = (urllib3_errors.MaxRetryError, urllib3_errors.SSLError)
"""Exceptions that only carry the one that decides."""

_REDIS_ADDRESS: Final = re.compile(r"connecting to (\S+?)\.?(?:\s|$)")
"""Where redis-py's messages name the server: host and port, or the path of a socket."""

LIBRARY_ERRORS: Final = (
    urllib3_errors.HTTPError,
    kubernetes_errors.OpenApiException,
    kubeconfig_errors.ConfigException,
    redis_errors.RedisError,
    OSError,
)
"""What `translated` catches; everything else is a defect of ours and passes through."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """A block whose library exceptions come out as `ClientError`, the original chained."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise of_exception(error, doing) from error


def of_exception(error: BaseException, doing: str) -> ClientError:
    """The `ClientError` for a library's exception; `doing` opens the message ("GET /api/v1")."""
    if isinstance(error, kubeconfig_errors.ConfigException):
        return Permanent(f"{doing}: {capped(str(error))}")
    if isinstance(error, kubernetes_errors.ApiException) and error.status:
        return of_status(int(error.status), error.body or "", doing, error.headers or {})
    decisive = _unwrapped(error)
    for kind, translation, words in BY_EXCEPTION:
        if isinstance(decisive, kind):
            return translation(f"{doing}: {words}{_cause(error)}{_where(error, doing)}")
    return Permanent(f"{doing}: {type(error).__name__}")


def of_status(
    status: int, body: str | bytes, doing: str, headers: Mapping[str, str] | None = None
) -> ClientError:
    """The `ClientError` for an HTTP answer that is not a success.

    A Kubernetes Status object in `body` gives reason, message and delay; any other text is the
    message itself. Of `headers` only Retry-After is read.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    report = _status_object(text)
    reason = str(report.get("reason") or "")
    words = str(report.get("message") or text)
    message = f"{doing}: {status} {capped(words)}".rstrip()
    kind = BY_STATUS.get(status, Permanent)
    if kind is Conflict and reason == "AlreadyExists":
        kind = AlreadyExists
    details = report.get("details")
    told = _delay(details.get("retryAfterSeconds")) if isinstance(details, dict) else None
    delay = retry_after(headers or {}) or told or None
    return kind(message, status=status, reason=reason, retry_after=delay)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The delay a Retry-After header asks for in seconds; None when absent or not a number.

    The header's date form is not read: it needs two clocks to agree.
    """
    return _delay(headers.get("Retry-After"))


def concerns_all(failure: ClientError) -> bool:
    """Whether other requests of this process may fail as well: nobody answers, or knows us."""
    return isinstance(failure, Transient) or failure.status == UNAUTHORIZED


def capped(text: str) -> str:
    """The first `MAX_MESSAGE` characters on one line, with an ellipsis where something is cut."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"


def _status_object(text: str) -> Mapping[str, Any]:
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) and report.get("kind") == "Status" else {}


def _delay(seconds: object) -> timedelta | None:
    text = str(seconds)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        return None
    return timedelta(seconds=int(text)) if int(text) <= LONGEST_DELAY else None


def _cause(error: BaseException) -> str:
    """The operating system's or OpenSSL's own words, which name no address and no credential."""
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f": {each.verify_message}"
        if isinstance(each, OSError) and each.strerror:
            return f": {capped(each.strerror)}"
    return ""


def _where(error: BaseException, doing: str) -> str:
    """The address that could not be reached, in brackets, unless `doing` names it already."""
    address = ""
    for each in _chain(error):
        if isinstance(each, urllib3_errors.NewConnectionError):
            connection: Any = each.conn
            address = f"{connection.host}:{connection.port}"
        elif isinstance(each, redis_errors.ConnectionError | redis_errors.TimeoutError):
            named = _REDIS_ADDRESS.search(str(each))
            address = named[1] if named else ""
    return f" ({address})" if address and address not in doing else ""


def _unwrapped(error: BaseException) -> BaseException:
    inner = _inner(error) if isinstance(error, WRAPPERS) else None
    return error if inner is None else _unwrapped(inner)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):  # a bound, should a library ever chain an exception to itself
        if error is None:
            return
        yield error
        error = _inner(error)


def _inner(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return reason
    nested = [argument for argument in error.args if isinstance(argument, BaseException)]
    return nested[0] if nested else error.__cause__ or error.__context__
