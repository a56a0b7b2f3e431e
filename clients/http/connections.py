"""One request and its answer, over connections to one server that are kept open.

By libcurl, which needs less than half the time of `urllib3` for a call, most of it without the
interpreter's lock. Who the server is, whom to trust, and what is asked again is others' business.
"""

from __future__ import annotations

import io
import os
import select
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import pycurl

from clients import errors
from config.networks import NONE_DENIED, SAID, Denied

BLOCK: Final = 65536
"""Bytes of an answer read at once, at most."""

MOST_REDIRECTS: Final = 3
"""Where any are followed."""

OPENSSL: Final = "error:"
"""Begins OpenSSL's own words for a failure that is no matter of the connection."""

CUT_OFF: Final = "unexpected eof"
"""OpenSSL's words for one that is, all the same."""

BY_CODE: Final[Mapping[int, tuple[type[errors.ClientError], str]]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: (errors.Transient, "the name does not resolve"),
    pycurl.E_COULDNT_RESOLVE_PROXY: (errors.Transient, "the proxy failed"),
    pycurl.E_COULDNT_CONNECT: (errors.Transient, "connecting failed"),
    pycurl.E_OPERATION_TIMEDOUT: (errors.TimedOut, "timed out"),
    pycurl.E_SSL_CONNECT_ERROR: (errors.Transient, "the connection broke"),
    pycurl.E_SEND_ERROR: (errors.Transient, "the connection broke"),
    pycurl.E_RECV_ERROR: (errors.Transient, "the connection broke"),
    pycurl.E_GOT_NOTHING: (errors.Transient, "the connection broke"),
    pycurl.E_PARTIAL_FILE: (errors.Transient, "the connection broke"),
    pycurl.E_SEND_FAIL_REWIND: (errors.Transient, "the connection broke"),
    pycurl.E_SSL_CACERT: (errors.Permanent, "the certificate is not trusted"),
    pycurl.E_SSL_CACERT_BADFILE: (errors.Permanent, "TLS failed"),
    pycurl.E_SSL_CERTPROBLEM: (errors.Permanent, "TLS failed"),
    pycurl.E_TOO_MANY_REDIRECTS: (errors.Redirected, f"Exceeded {MOST_REDIRECTS} redirects"),
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
    """What is sent to the server; `path` is with its query, `body` is None for none.

    A `repeatable` one, a GET or a POST, changes nothing there and may be sent twice.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is, `called` host and port in messages, and what all requests tell it."""

    url: str
    called: str
    headers: Mapping[str, str]


_OPTIONS: Final[Mapping[int, Any]] = {
    pycurl.NOSIGNAL: 1,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.PATH_AS_IS: 1,
    pycurl.BUFFERSIZE: BLOCK,
    pycurl.MAXCONNECTS: 1,
    pycurl.PROXY: "",
    pycurl.NOPROXY: "",
}
"""Of all handles; the empty proxies keep libcurl from those of the environment."""


class Connections:
    """Connections to one server. Safe to share by threads.

    Each thread has one to itself for as long as a request takes.
    """

    def __init__(
        self, server: Server, options: Mapping[int, Any], *, max_body: int, kept: int
    ) -> None:
        """`options` are those of libcurl for all requests, such as whom to trust.

        `max_body` bounds the bytes of an answer, `kept` the connections that are open and idle.
        """
        self._server = server
        self._options = {**_OPTIONS, pycurl.MAXFILESIZE_LARGE: max_body, **options}
        self._max_body = max_body
        # The one that was used last is the next: those that were needed once grow old and go.
        self._idle: deque[pycurl.Curl] = deque(maxlen=kept)

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
        handle.setopt(pycurl.TIMEOUT_MS, milliseconds(seconds))
        handle.setopt(pycurl.WRITEFUNCTION, blocks.append)
        if request.repeatable:
            _send_again(handle, request)
        else:
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
        elif code == pycurl.E_COULDNT_CONNECT and pycurl.OPENSOCKETFUNCTION in self._options:
            return errors.Permanent(f"{doing}: {SAID}")
        if code == pycurl.E_COULDNT_CONNECT:
            is_proxied = bool(self._options[pycurl.PROXY])
            told = "the proxy failed" if is_proxied else f"{told} ({self._server.called})"
        return kind(f"{doing}: {told}")


def _send_again(handle: pycurl.Curl, request: Request) -> None:
    """Has a request sent that changes nothing at the server: on another connection if one ends."""
    if request.body is None:
        handle.setopt(pycurl.HTTPGET, 1)
    else:
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.POSTFIELDS, request.body)


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


def to_server(
    url: str,
    headers: Mapping[str, str],
    *,
    authorities: str | None,
    max_body: int,
    kept: int,
    denied: Denied = NONE_DENIED,
) -> Connections:
    """Connections to the server at `url`, whose redirects are followed.

    It proves itself by the `authorities` in that file; None: it need not. Nobody is asked who is in
    `denied` networks. Raises ValueError for a URL that is none.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    options: dict[int, Any] = {
        pycurl.FOLLOWLOCATION: 1,
        pycurl.MAXREDIRS: MOST_REDIRECTS,
        pycurl.REDIR_PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.SSL_VERIFYPEER: int(authorities is not None),
        pycurl.SSL_VERIFYHOST: 2 if authorities is not None else 0,
        pycurl.CAINFO: authorities,
        pycurl.CAPATH: None,
    }
    if denied.networks:
        options[pycurl.OPENSOCKETFUNCTION] = partial(_opened, denied)
    server = Server(url, f"{parts.hostname}:{port}", {"Expect": "", **headers})
    return Connections(server, options, max_body=max_body, kept=kept)


def _opened(denied: Denied, purpose: int, address: Any) -> socket.socket | int:  # noqa: ARG001
    """A socket for a connection to `address`, which libcurl has looked up, unless it is denied."""
    if denied.denies(address.addr[0]):
        return int(pycurl.SOCKET_BAD)
    return _Lent(address.family, address.socktype, address.protocol)


class _Lent(socket.socket):
    """A socket that ends when libcurl has made a copy of it."""

    def __del__(self) -> None:
        self.close()


def milliseconds(seconds: float) -> int:
    """At least one: none is no limit."""
    return max(1, round(seconds * 1000))
