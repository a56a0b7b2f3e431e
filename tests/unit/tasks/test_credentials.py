"""The Secrets of MetricTemplates as they are read."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from analysis.backends.backend import Credentials, SecretKey
from clients import errors
from clients.clock import ManualClock
from clients.kube import resources
from tasks.credentials import SecretReader
from tests.fakes.faults import Fault
from tests.fakes.kube import Door, FakeKube

KEY = SecretKey("shop", "prom-token")


@pytest.fixture
def door() -> Door:
    """An API server with nothing on it."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    return Door(FakeKube(clock), clock)


def reader(door: Door) -> SecretReader:
    """A reader through `door`."""
    return SecretReader(door, ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))


def keep(door: Door, **data: Any) -> None:
    """Somebody makes the Secret."""
    metadata = {"name": KEY.name, "namespace": KEY.namespace}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    door.create(resources.SECRETS, KEY.namespace, body)


def encoded(text: bytes) -> str:
    """As data of Secrets are written."""
    return base64.b64encode(text).decode()


def test_the_texts_of_a_secret_are_read_by_their_keys(door: Door) -> None:
    """Whatever is no text is left out: nobody can send it."""
    keep(door, token=encoded(b"t0ken"), user=encoded("mé".encode()), blob=encoded(b"\xff\xfe"))
    assert reader(door).read(KEY) == Credentials({"token": "t0ken", "user": "mé"})


def test_a_secret_without_data_holds_nothing(door: Door) -> None:
    """Then the backend says what it misses."""
    keep(door)
    assert reader(door).read(KEY) == Credentials({})


def test_a_missing_secret_is_not_found(door: Door) -> None:
    """In words that can be told."""
    with pytest.raises(errors.NotFound, match=r"^not found$"):
        reader(door).read(KEY)


def test_the_words_of_an_api_server_about_a_secret_are_not_repeated(door: Door) -> None:
    """Its reason is."""
    refusal = errors.Permanent("secret t0ken is odd", status=403, reason="Forbidden")
    door.faults.add(Fault(refusal, verb="get", resource="secrets"))
    with pytest.raises(errors.Permanent, match=r"^get query error: Forbidden$"):
        reader(door).read(KEY)


def test_reading_a_secret_takes_no_longer_than_a_check_can_wait(door: Door) -> None:
    """The door is asked to end by then."""
    deadlines: list[float] = []

    class Asked(Door):
        def until(self, deadline: float) -> Door:
            deadlines.append(deadline)
            return super().until(deadline)

    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with pytest.raises(errors.NotFound):
        SecretReader(Asked(door, clock), clock).read(KEY)
    assert deadlines == [clock.monotonic() + 1.5]
