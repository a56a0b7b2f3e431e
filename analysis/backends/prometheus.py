"""Prometheus, and everything that speaks its query API, through prometheus-api-client.

The library sends the query and unwraps the answer; time, size and retries are bounded by our
session. Source: docs/compatibility/metrics.md, "Prometheus".
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, TypeGuard

import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from analysis.backends import bounded
from analysis.backends.backend import (
    PROMETHEUS,
    Access,
    Credentials,
    Endpoint,
    InvalidEndpoint,
    Series,
)
from analysis.backends.bounded import LARGEST_BODY, BoundedSession, ErrorStatus
from analysis.findings import NO_VALUES, Absent, Measurement, Sample
from analysis.verdicts import Reason, Verdict
from clients import errors, urls
from clients.http.connections import to_server
from config.validation import problems

_ONLINE_QUERY: Final = "vector(1)"
_SHORTEST_SECRET: Final = 4
_STRANGE: Final = "the answer is not that of a Prometheus"


#: What reading an answer of another form comes to; RecursionError is JSON nested without end.
_UNREADABLE: Final = (
    PrometheusApiClientException,
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
)


class Prometheus:
    """A Prometheus server. Safe to share by threads; connections are kept open."""

    def __init__(self, endpoint: Endpoint, access: Access) -> None:
        """Raises InvalidEndpoint for an address that is no http or https URL."""
        address = _checked(endpoint.address)
        self._clock = access.clock
        connections = to_server(
            address,
            _headers(endpoint, access.credentials),
            authorities=DEFAULT_CA_BUNDLE_PATH if endpoint.verify_tls else None,
            max_body=LARGEST_BODY,
            kept=access.connections,
            denied=access.denied,
        )
        seconds, hidden = access.timeout.total_seconds(), _hidden(access.credentials)
        session: Any = BoundedSession(address, connections, seconds, hidden)
        self._connect = PrometheusConnect(url=address, session=session)

    def query(self, query: str) -> Measurement:
        """The number `query` gives now.

        Blanks and line breaks are folded to one blank. Of several series the last one counts, as
        in Flagger. No series, or NaN, is NO_DATA; infinities are numbers; anything else is an
        ERROR that says what happened. Never raises.
        """
        started = self._clock.monotonic()
        series = self._series(query)
        if isinstance(series, Absent):
            measurement: Measurement = series
        else:
            measurement = _number(series[-1]) if series else NO_VALUES
        return replace(measurement, took=timedelta(seconds=self._clock.monotonic() - started))

    def vector(self, query: str) -> tuple[Series, ...] | Absent:
        """All series that `query` gives now, with their labels, or why there are none."""
        series = self._series(query)
        if isinstance(series, Absent):
            return series
        return tuple(Series(_labels(each), _number(each)) for each in series)

    def _series(self, query: str) -> Sequence[Mapping[str, Any]] | Absent:
        try:
            answer = self._connect.custom_query(" ".join(query.split()))
        except (ErrorStatus, errors.ClientError) as error:
            return _absent(*_explained(error))
        except _UNREADABLE as error:
            cause = f"{_STRANGE}: {type(error).__name__}: {errors.capped(str(error))}"
            return _absent(Reason.UNREADABLE_ANSWER, cause)
        if not _is_list_of_series(answer):
            cause = "the query gave a scalar or a text; allowed: an instant vector"
            return _absent(Reason.UNREADABLE_ANSWER, cause)
        if any("values" in series for series in answer):
            return _absent(Reason.MULTIPLE_VALUES, "query returned multiple values")
        return answer

    def online(self) -> Absent | None:
        """None when the server answers `vector(1)` with 1; otherwise what is wrong."""
        measurement = self.query(_ONLINE_QUERY)
        if isinstance(measurement, Absent):
            return measurement
        if measurement.value == 1:
            return None
        cause = f"{_ONLINE_QUERY} gave {measurement.value}"
        return Absent(Verdict.ERROR, Reason.UNREADABLE_ANSWER, cause, measurement.took)


def _number(series: Mapping[str, Any]) -> Measurement:
    try:
        value = _parsed(series["value"][1])
    except (KeyError, IndexError, TypeError, ValueError):
        return _absent(Reason.UNREADABLE_ANSWER, "a series without a number")
    return NO_VALUES if math.isnan(value) else Sample(value)


def _absent(reason: Reason, cause: str) -> Absent:
    return Absent(Verdict.ERROR, reason, cause)


def _checked(address: str) -> str:
    """`address` as it is sent, without a trailing slash; a path stays, as prefix of the API's."""
    told = f"address {urls.redacted(address)!r}; allowed: an http or https URL"
    if not problems.is_http_url(address):
        raise InvalidEndpoint(told)
    try:
        sent = requests.Request("GET", address).prepare().url or ""
    except ValueError:
        raise InvalidEndpoint(told) from None
    return sent.rstrip("/")


def _headers(endpoint: Endpoint, given: Credentials | None) -> dict[str, str]:
    """The headers of every query; of two authorizations that of the Secret counts."""
    headers = {name: ", ".join(values) for name, values in endpoint.headers}
    if given is not None:
        others = {name: text for name, text in headers.items() if name.lower() != "authorization"}
        headers = {**others, "Authorization": _authorization(given)}
    if any({"\r", "\n"} & {*name, *value} for name, value in headers.items()):
        raise InvalidEndpoint("a header has a line break; allowed: one line")
    if not all(f"{name}{value}".isascii() for name, value in headers.items()):
        raise InvalidEndpoint("a header has a character that is not ASCII; allowed: ASCII")
    return headers


def _authorization(given: Credentials) -> str:
    """A token if there is any, else user and password."""
    if "token" in given.values:
        return f"Bearer {given.needed('token', PROMETHEUS)}"
    user = (given.needed(key, PROMETHEUS) for key in ("username", "password"))
    return f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"


def _hidden(given: Credentials | None) -> tuple[str, ...]:
    """What is sent of a Secret and never shown, long enough to be recognised in a text."""
    if given is None:
        return ()
    secrets = (_authorization(given).partition(" ")[2], *given.values.values())
    return tuple(text for text in secrets if len(text) >= _SHORTEST_SECRET)


def _explained(error: ErrorStatus | errors.ClientError) -> tuple[Reason, str]:
    """What kept the answer from us, and the words for it; the URL with its query is left out."""
    match error:
        case ErrorStatus(status=status) if status < HTTPStatus.BAD_REQUEST:
            return Reason.UNREADABLE_ANSWER, f"{_STRANGE}: {error}"
        case ErrorStatus():
            return _reason_of(error.status), str(error)
        case errors.TimedOut():
            return Reason.TIMED_OUT, "the server did not answer in time"
        case errors.TooLarge() | errors.Redirected():
            words = error.message.removeprefix(f"{bounded.SERVER}: ")
            return Reason.UNREADABLE_ANSWER, f"{_STRANGE}: {words}"
        case _:
            return Reason.UNREACHABLE, error.message


def _reason_of(status: int) -> Reason:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Reason.THROTTLED
    is_server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Reason.SERVER_ERROR if is_server_error else Reason.QUERY_REFUSED


def _parsed(text: Any) -> float:
    """The number, which the API sends as a text. Raises ValueError for anything else."""
    if not isinstance(text, str) or "_" in text:
        raise ValueError("not a number as Prometheus writes it")
    return float(text)


def _is_list_of_series(answer: Any) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    return isinstance(answer, Sequence) and all(isinstance(one, Mapping) for one in answer)


def _labels(series: Mapping[str, Any]) -> Mapping[str, str]:
    labels = series.get("metric")
    return labels if isinstance(labels, Mapping) else {}
