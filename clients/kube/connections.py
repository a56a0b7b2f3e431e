"""Connections to the API server, to be proven, called and gone through as a kubeconfig says."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pycurl
import urllib3
from kubernetes.client import ApiClient, Configuration

from clients.http.connections import Connections, Server, milliseconds


def connections(api: ApiClient, *, connect: timedelta, max_body: int) -> Connections:
    """Connections to the server of `api`.

    `connect` bounds connecting and the handshake, `max_body` the bytes of an answer.
    """
    configuration = api.configuration
    options = dict(_options(api))
    options[pycurl.CONNECTTIMEOUT_MS] = milliseconds(connect.total_seconds())
    server, at = _server(configuration)
    if at:
        options[pycurl.CONNECT_TO] = [at]
    kept = configuration.connection_pool_maxsize
    return Connections(server, options, max_body=max_body, kept=kept)


def _server(configuration: Configuration) -> tuple[Server, str]:
    """Where the server is; and where to connect to, if that is not what it is called."""
    url = str(configuration.host).rstrip("/")
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = configuration.tls_server_name
    if not name:
        return Server(url, at, {"Expect": ""}), ""
    named = parts._replace(netloc=f"{name}:{port}").geturl()
    return Server(named, at, {"Expect": "", "Host": parts.netloc.rpartition("@")[2]}), f"::{at}"


def _options(api: ApiClient) -> Iterator[tuple[int, Any]]:
    """What is the same for all requests."""
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
    told = api.configuration.proxy_headers or {}
    yield pycurl.PROXYHEADER, [f"{name}: {value}" for name, value in told.items()]
