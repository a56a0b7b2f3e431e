"""The one translation table: what each library's exception and each status becomes.

Tested: kinds, chaining, words, delays, that the table is free of rows which can never match.
"""

import json
import pickle
import socket
import ssl
from datetime import timedelta
from typing import Any

import pytest
import redis
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException

from clients import errors, translation
from clients.redis import failures

POOL: Any = urllib3.HTTPConnectionPool("example.com")
CONNECTION: Any = urllib3.connection.HTTPConnection("example.com")
REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            urllib3.exceptions.ReadTimeoutError(POOL, "/?hush", "hush"),
            errors.Transient,
            "timed out",
        ),
        (
            urllib3.exceptions.ConnectTimeoutError(CONNECTION, "hush"),
            errors.Transient,
            "connecting timed out",
        ),
        (
            urllib3.exceptions.MaxRetryError(POOL, "/?hush", REFUSED),
            errors.Transient,
            "the connection broke: Connection refused",
        ),
        (
            urllib3.exceptions.ProtocolError("hush", ConnectionResetError(104, "reset")),
            errors.Transient,
            "the connection broke: reset",
        ),
        (
            urllib3.exceptions.NameResolutionError("hush", CONNECTION, socket.gaierror(-2, "no")),
            errors.Transient,
            "the name does not resolve",
        ),
        (
            urllib3.exceptions.SSLError(ssl.SSLEOFError(8, "EOF occurred")),
            errors.Transient,
            "the connection broke: EOF occurred",
        ),
        (urllib3.exceptions.SSLError("hush"), errors.Permanent, "TLS failed"),
        (urllib3.exceptions.LocationParseError("hush"), errors.Permanent, "the URL is not valid"),
        (redis.exceptions.ConnectionError("hush"), errors.Transient, "the connection broke"),
        (redis.exceptions.TimeoutError("hush"), errors.Transient, "timed out"),
        (redis.exceptions.BusyLoadingError("hush"), errors.Transient, "the connection broke"),
        (redis.exceptions.ReadOnlyError("hush"), errors.Transient, "the server is a replica"),
        (
            redis.exceptions.AuthenticationError("hush"),
            errors.Permanent,
            "the server refused the credentials",
        ),
        (
            redis.exceptions.ResponseError("hush"),
            errors.Permanent,
            "the server refused the command",
        ),
        (ConfigException("no such context"), errors.Permanent, "no such context"),
        (FileNotFoundError(2, "No such file"), errors.Permanent, "there is no such file"),
        (TimeoutError(), errors.Transient, "timed out"),
        (REFUSED, errors.Transient, "the connection broke: Connection refused"),
        (ApiException(status=0, reason="hush"), errors.Permanent, "ApiException"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_librarys_exception_becomes_one_of_four_kinds(
    error: Exception, kind: type[errors.ClientError], words: str
) -> None:
    """The kind and the words are the table's; of the library's text only the system's remains."""
    with pytest.raises(errors.ClientError) as failure, failures.translated("GET x"):
        raise error
    assert type(failure.value) is kind
    assert failure.value.__cause__ is error
    assert failure.value.message.startswith(f"GET x: {words}")
    assert "hush" not in failure.value.message


def test_our_own_defects_are_not_translated() -> None:
    """A KeyError is no failure of a server: it passes through."""
    with pytest.raises(KeyError), translation.translated("GET x"):
        raise KeyError("x")


def test_a_translated_error_passes_through_as_it_is() -> None:
    """Blocks may be nested: the innermost description stays."""
    original = errors.Conflict("inner")
    with pytest.raises(errors.Conflict) as failure, translation.translated("outer"):
        raise original
    assert failure.value is original


def test_the_kubernetes_clients_exception_is_translated_by_its_status() -> None:
    """An ApiException of the library's own calls is read like an answer."""
    error = ApiException(status=409, reason="Conflict")
    error.body = '{"kind":"Status","reason":"AlreadyExists","message":"taken"}'
    found = translation.of_exception(error, "POST x")
    assert type(found) is errors.AlreadyExists
    assert found.message == "POST x: 409 taken"


def test_no_row_of_the_table_is_hidden_by_an_earlier_one() -> None:
    """A subclass stands before its bases, else it could never be found."""
    tables = (translation.BY_EXCEPTION, failures.BY_EXCEPTION)
    hidden = [
        (later, earlier)
        for rows in ([kind for kind, _, _ in table] for table in tables)
        for place, later in enumerate(rows)
        for earlier in rows[:place]
        if issubclass(later, earlier)
    ]
    assert hidden == []


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta()),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("9" * 50, None),
        ("٣", None),
    ],
)
def test_a_retry_after_in_seconds_is_read(header: str, delay: timedelta | None) -> None:
    """Anything but a plain, sane number of seconds counts as absent."""
    assert errors.retry_after({"Retry-After": header}) == delay


@given(status=st.integers(300, 599), body=st.binary(max_size=600))
def test_any_answer_has_a_translation(status: int, body: bytes) -> None:
    """No status and no body makes the translation itself fail, or makes it long."""
    found = errors.of_status(status, body, "GET x")
    assert found.status == status
    assert len(found.message) <= len("GET x: 500 ") + errors.MAX_MESSAGE
    assert "\n" not in found.message


@given(
    body=st.dictionaries(
        st.sampled_from(["kind", "message", "reason", "details", "code"]),
        st.one_of(st.none(), st.just("Status"), st.text(), st.integers(), st.lists(st.none())),
    )
)
def test_a_malformed_status_object_is_no_problem(body: dict[str, Any]) -> None:
    """Fields of a Status may have any type, or be missing."""
    assert errors.of_status(503, json.dumps(body), "GET x").status == 503


def test_an_error_survives_a_process_boundary() -> None:
    """Pickled and read back, it has its kind, words and delay."""
    error = errors.Transient("words", status=429, reason="Why", retry_after=timedelta(seconds=3))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is errors.Transient
    assert vars(copy) == vars(error)
    assert str(copy) == "words"


def test_missing_rights_name_verb_resource_and_account() -> None:
    """However long the names: the API server's sentence is kept as far as it says them."""
    account = f"system:serviceaccount:{'n' * 63}:{'a' * 63}"
    words = (
        f'virtualservices.networking.istio.io is forbidden: User "{account}" cannot patch '
        'resource "virtualservices" in API group "networking.istio.io" in the namespace "shop"'
    )
    body = json.dumps({"kind": "Status", "message": words, "reason": "Forbidden", "code": 403})
    error = errors.of_status(403, body, "PATCH /apis/networking.istio.io/v1beta1/virtualservices")

    assert isinstance(error, errors.Permanent)
    for part in (account, "cannot patch", 'resource "virtualservices"'):
        assert part in error.message
