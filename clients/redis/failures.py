"""What the exceptions of redis-py are to us, as `clients.translation` says it of other libraries.

Apart from those: who asks no Redis need not import its library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis.exceptions as redis_errors

from clients import errors, translation

BY_EXCEPTION: Final[tuple[tuple[type[BaseException], type[errors.ClientError], str], ...]] = (
    # The first row that matches decides: subclasses stand before their bases.
    (redis_errors.AuthenticationError, errors.Permanent, "the server refused the credentials"),
    (redis_errors.AuthorizationError, errors.Permanent, "the server refused the credentials"),
    (redis_errors.ConnectionError, errors.Transient, "the connection broke"),
    (redis_errors.TimeoutError, errors.Transient, "timed out"),
    (redis_errors.ReadOnlyError, errors.Transient, "the server is a replica"),
    (redis_errors.TryAgainError, errors.Transient, "the server is moving keys"),
    (redis_errors.ClusterDownError, errors.Transient, "the server is down"),
    (
        redis_errors.OutOfMemoryError,  # type: ignore[attr-defined]  # missing in types-redis
        errors.Transient,
        "the server has no memory left",
    ),
    (redis_errors.ResponseError, errors.Permanent, "the server refused the command"),
    (redis_errors.RedisError, errors.Permanent, "the command failed"),
)

_ADDRESS: Final = re.compile(r"connecting to (\S+?)\.?(?:\s|$)")
"""Where redis-py's messages name the server: host and port, or the path of a socket."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """A block whose library exceptions, those of Redis too, come out as `ClientError`."""
    try:
        with translation.translated(doing):
            yield
    except redis_errors.RedisError as error:
        raise of_exception(error, doing) from error


def of_exception(error: redis_errors.RedisError, doing: str) -> errors.ClientError:
    """The `ClientError` for an exception of redis-py; `doing` opens the message."""
    kind, words = next(row[1:] for row in BY_EXCEPTION if isinstance(error, row[0]))
    return kind(translation.sentence(error, doing, words, _address(error)))


def _address(error: redis_errors.RedisError) -> str:
    """The address that could not be reached; empty when it is not named."""
    address = ""
    for each in translation.chain(error):
        if isinstance(each, redis_errors.ConnectionError | redis_errors.TimeoutError):
            named = _ADDRESS.search(str(each))
            address = named[1] if named else ""
    return address
