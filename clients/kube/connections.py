"""One request and its answer, over kept connections to one API server.

By libcurl, which needs less than half the time of `urllib3` for a call, most of it without the
interpreter's lock. What is asked, and asked again, is the business of `transport`, the only user.
"""

from __future__ import annotations

import io
import os
import select
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import pycurl
import urllib3
from kubernetes.client import ApiClient, Configuration

from clients import errors

BLOCK: Final = 65536
"""Bytes of an answer read at once, at most."""

OPENSSL: Final = "error:"
"""Begins OpenSSL's own words for a failure that is no matter of the connection."""

CUT_OFF: Final = "unexpected eof"
"""OpenSSL's words for one that is, all the same."""

BY_CODE: Final[Mapping[int, tuple[type[errors.ClientError], str]]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: (errors.Transient, "the name does not resolve"),
    pycurl.E_COULDNT_RESOLVE_PROXY: (errors.Transient, "the proxy failed"),
    pycurl.E_COULDNT_CONNECT: (errors.Transient, "connecting failed"),
    pycurl.E_OPERATION_TIMEDOUT: (errors.Transient, "timed out"),
    pycurl.E_SSL_CONNECT_ERROR: (errors.Transient, "the connection broke"),
    pycurl.E_SEND_ERROR: (errors.Transient, "the connection broke"),
    pycurl.E_RECV_ERROR: (errors.Transient, "the connection broke"),
    pycurl.E_GOT_NOTHING: (errors.Transient, "the connection broke"),
    pycurl.E_PARTIAL_FILE: (errors.Transient, "the connection broke"),
    pycurl.E_SEND_FAIL_REWIND: (errors.Transient, "the connection broke"),
    pycurl.E_SSL_CACERT: (errors.Permanent, "the certificate is not trusted"),
    pycurl.E_SSL_CACERT_BADFILE: (errors.Permanent, "TLS failed"),
    pycurl.E_SSL_CERTPROBLEM: (errors.Permanent, "TLS failed"),
    pycurl.E_URL_MALFORMAT: (errors.Permanent, "the URL is not valid"),
}
"""What libcurl's codes are to us; all others are an answer that is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    """Of them all Retry-After only, in seconds, where the server said so."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to the server; `path` is with its query, `body` is None for none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


class Connections:
    """Connections to the server of `api`, to be proven, called and gone through as it says.

    Safe to share by threads, each of which has one to itself for as long as a request takes.
    """

    def __init__(self, api: ApiClient, *, connect: timedelta, max_body: int) -> None:
        """`connect` bounds connecting and the handshake, `max_body` the bytes of an answer."""
        configuration = api.configuration
        self._server = _Server.of(configuration)
        self._options = dict(_options(api, self._server))
        self._options[pycurl.CONNECTTIMEOUT_MS] = _milliseconds(connect.total_seconds())
        self._options[pycurl.MAXFILESIZE_LARGE] = max_body
        self._max_body = max_body
        # The one that was used last is the next: those that were needed once grow old and go.
        self._idle: deque[pycurl.Curl] = deque(maxlen=configuration.connection_pool_maxsize)

    def ask(self, request: Request, seconds: float, doing: str) -> Answer:
        """The answer, all of which has come within `seconds`.

        A write that may have reached the server is not sent a second time. Raises Transient when
        nobody answers in time, Permanent where nobody is trusted, TooLarge. `doing` opens messages.
        """
        handle = self._free()
        try:
            return self._exchange(handle, request, seconds)
        except pycurl.error as error:
            raise self._failure(handle, error, doing) from error
        finally:
            self._idle.append(handle)

    def close(self) -> None:
        """Drop the connections that are idle."""
        self._idle.clear()

    def _free(self) -> pycurl.Curl:
        try:
            return self._idle.pop()
        except IndexError:
            handle = pycurl.Curl()
            for option, value in self._options.items():
                handle.setopt(option, value)
            return handle

    def _exchange(self, handle: pycurl.Curl, request: Request, seconds: float) -> Answer:
        blocks: list[bytes] = []
        headers = {**self._server.headers, **request.headers}
        handle.setopt(pycurl.URL, self._server.url + request.path)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
        handle.setopt(pycurl.TIMEOUT_MS, _milliseconds(seconds))
        handle.setopt(pycurl.WRITEFUNCTION, blocks.append)
        _send_once(handle, request)
        try:
            handle.perform()
            body = b"".join(blocks)
        finally:
            blocks.clear()  # the handle keeps the list until its next call
        wait = handle.getinfo(pycurl.RETRY_AFTER)
        retry_after = {"Retry-After": str(wait)} if wait else {}
        return Answer(handle.getinfo(pycurl.RESPONSE_CODE), body, retry_after)

    def _failure(self, handle: pycurl.Curl, error: pycurl.error, doing: str) -> errors.ClientError:
        """What libcurl's code and words are to us; the words name no credential."""
        code, words = error.args if len(error.args) == 2 else (0, error.args[0])
        if code == pycurl.E_FILESIZE_EXCEEDED:
            text = f"{doing}: the answer is larger than {self._max_body} bytes"
            return errors.TooLarge(text, status=handle.getinfo(pycurl.RESPONSE_CODE))
        kind, told = BY_CODE.get(code, (errors.Transient, "the answer broke off"))
        if kind is errors.Transient and OPENSSL in words and CUT_OFF not in words:
            kind, told = errors.Permanent, "TLS failed"
        if kind is errors.Permanent:
            told += f": {errors.capped(words.partition(': ')[2] or words)}"
        if code == pycurl.E_OPERATION_TIMEDOUT and not handle.getinfo(pycurl.PRETRANSFER_TIME):
            told = "connecting timed out"
        if number := handle.getinfo(pycurl.OS_ERRNO):
            told += f": {os.strerror(number)}"
        if code == pycurl.E_COULDNT_CONNECT:
            is_proxied = bool(self._options[pycurl.PROXY])
            told = "the proxy failed" if is_proxied else f"{told} ({self._server.called})"
        return kind(f"{doing}: {told}")


def _send_once(handle: pycurl.Curl, request: Request) -> None:
    """Has the body sent, by a write at most once.

    libcurl sends a request again, on a new connection, when a kept one ends without any answer.
    The server may have got it all the same. It cannot where the body cannot be read again, and does
    not on a new connection.
    """
    body = request.body
    if body is None:
        handle.setopt(pycurl.HTTPGET, 1)
    else:
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        handle.setopt(pycurl.READFUNCTION, io.BytesIO(body).read)
    handle.setopt(pycurl.CUSTOMREQUEST, request.method)
    is_bare = body is None and request.method != "GET"
    handle.setopt(pycurl.FRESH_CONNECT, is_bare or _is_closed(handle))


def _is_closed(handle: pycurl.Curl) -> bool:
    """Whether the server has closed the kept connection: libcurl looks at old ones only."""
    socket = handle.getinfo(pycurl.ACTIVESOCKET)
    if socket < 0:
        return False
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


@dataclass(frozen=True, slots=True)
class _Server:
    """Where the server is, and what it is called in the certificate, if that is another name."""

    url: str
    called: str
    at: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, configuration: Configuration) -> _Server:
        url = str(configuration.host).rstrip("/")
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        name = configuration.tls_server_name
        if not name:
            return cls(url, at, "", {"Expect": ""})
        named = parts._replace(netloc=f"{name}:{port}").geturl()
        return cls(named, at, f"::{at}", {"Expect": "", "Host": parts.netloc.rpartition("@")[2]})


def _options(api: ApiClient, server: _Server) -> Iterator[tuple[int, Any]]:
    """What is the same for all requests."""
    yield pycurl.NOSIGNAL, 1
    yield pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1
    yield pycurl.PATH_AS_IS, 1
    yield pycurl.BUFFERSIZE, BLOCK
    yield pycurl.MAXCONNECTS, 1
    if server.at:
        yield pycurl.CONNECT_TO, [server.at]
    yield from _trust(api.configuration)
    yield from _proxy(api)


def _trust(configuration: Configuration) -> Iterator[tuple[int, Any]]:
    """Whom we trust, and how we prove who we are."""
    yield pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2
    file, folder = configuration.ssl_ca_cert, None
    if not file:
        # libcurl's own choice is the one of the machine that it was built on.
        system = ssl.get_default_verify_paths()
        file, folder = system.cafile, system.capath
    # That there is none has to be said, too: whom libcurl would choose is trusted otherwise.
    for option in pycurl.CAINFO, pycurl.PROXY_CAINFO:
        yield option, file
    for option in pycurl.CAPATH, pycurl.PROXY_CAPATH:
        yield option, folder
    if not configuration.verify_ssl:
        for option in pycurl.SSL_VERIFYPEER, pycurl.PROXY_SSL_VERIFYPEER:
            yield option, 0
        for option in pycurl.SSL_VERIFYHOST, pycurl.PROXY_SSL_VERIFYHOST:
            yield option, 0
    if configuration.cert_file:
        yield pycurl.SSLCERT, configuration.cert_file
    if configuration.key_file:
        yield pycurl.SSLKEY, configuration.key_file


def _proxy(api: ApiClient) -> Iterator[tuple[int, Any]]:
    """The proxy that the library has chosen, of the kubeconfig or the environment, or none."""
    chosen = api.rest_client.pool_manager
    yield pycurl.PROXY, "" if type(chosen) is urllib3.PoolManager else api.configuration.proxy
    yield pycurl.NOPROXY, ""
    told = api.configuration.proxy_headers or {}
    yield pycurl.PROXYHEADER, [f"{name}: {value}" for name, value in told.items()]


def _milliseconds(seconds: float) -> int:
    """At least one: none is no limit."""
    return max(1, round(seconds * 1000))
