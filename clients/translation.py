"""The one translation table: what the exceptions of libraries are to us; originals are chained.

Apart from `clients.errors`, because it imports every library that can fail, Redis' own excepted:
see `clients.redis.failures`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import kubernetes.client.exceptions as kubernetes_errors
import kubernetes.config.config_exception as kubeconfig_errors
import urllib3.exceptions as urllib3_errors

from clients import errors

BY_EXCEPTION: Final[tuple[tuple[type[BaseException], type[errors.ClientError], str], ...]] = (
    # The first row that matches decides: subclasses stand before their bases.
    (urllib3_errors.NameResolutionError, errors.Transient, "the name does not resolve"),
    (urllib3_errors.NewConnectionError, errors.Transient, "connecting failed"),
    (urllib3_errors.ConnectTimeoutError, errors.Transient, "connecting timed out"),
    (urllib3_errors.TimeoutError, errors.Transient, "timed out"),
    (urllib3_errors.ProxyError, errors.Transient, "the proxy failed"),
    (urllib3_errors.ProtocolError, errors.Transient, "the connection broke"),
    (urllib3_errors.URLSchemeUnknown, errors.Permanent, "the URL's scheme is not supported"),
    (urllib3_errors.LocationValueError, errors.Permanent, "the URL is not valid"),
    (ssl.SSLCertVerificationError, errors.Permanent, "the certificate is not trusted"),
    (ssl.SSLEOFError, errors.Transient, "the connection broke"),
    (ssl.SSLZeroReturnError, errors.Transient, "the connection broke"),
    (ssl.SSLError, errors.Permanent, "TLS failed"),
    (urllib3_errors.SSLError, errors.Permanent, "TLS failed"),
    (urllib3_errors.HTTPError, errors.Transient, "the answer broke off"),
    (socket.gaierror, errors.Transient, "the name does not resolve"),
    (FileNotFoundError, errors.Permanent, "there is no such file"),
    (PermissionError, errors.Permanent, "the file may not be read"),
    (IsADirectoryError, errors.Permanent, "it is a folder, not a file"),
    (TimeoutError, errors.Transient, "timed out"),
    (OSError, errors.Transient, "the connection broke"),
)

WRAPPERS: Final = (urllib3_errors.MaxRetryError, urllib3_errors.SSLError)
"""Exceptions that only carry the one that decides."""

LIBRARY_ERRORS: Final = (
    urllib3_errors.HTTPError,
    kubernetes_errors.OpenApiException,
    kubeconfig_errors.ConfigException,
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


def of_exception(error: BaseException, doing: str) -> errors.ClientError:
    """The `ClientError` for a library's exception; `doing` opens the message ("GET /api/v1")."""
    if isinstance(error, kubeconfig_errors.ConfigException):
        return errors.Permanent(f"{doing}: {errors.capped(str(error))}")
    if isinstance(error, kubernetes_errors.ApiException) and error.status:
        return errors.of_status(int(error.status), error.body or "", doing, error.headers or {})
    decisive = _unwrapped(error)
    for kind, translation, words in BY_EXCEPTION:
        if isinstance(decisive, kind):
            return translation(sentence(error, doing, words, _address(error)))
    return errors.Permanent(f"{doing}: {type(error).__name__}")


def sentence(error: BaseException, doing: str, words: str, address: str) -> str:
    """What people are told of `error`; with the address in brackets, unless `doing` names it."""
    where = f" ({address})" if address and address not in doing else ""
    return f"{doing}: {words}{_cause(error)}{where}"


def _cause(error: BaseException) -> str:
    """The operating system's or OpenSSL's own words, which name no address and no credential."""
    for each in chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f": {each.verify_message}"
        if isinstance(each, OSError) and each.strerror:
            return f": {errors.capped(each.strerror)}"
    return ""


def _address(error: BaseException) -> str:
    """The address that could not be reached; empty when it is not named."""
    address = ""
    for each in chain(error):
        if isinstance(each, urllib3_errors.NewConnectionError):
            connection: Any = each.conn
            address = f"{connection.host}:{connection.port}"
    return address


def _unwrapped(error: BaseException) -> BaseException:
    inner = _inner(error) if isinstance(error, WRAPPERS) else None
    return error if inner is None else _unwrapped(inner)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error`, and what it was raised for."""
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
