"""Payloads as Go reads them."""

import pytest

from loadtester import payload
from loadtester.payload import BadPayloadError, Payload


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            (
                b'{"name":"shop","namespace":"prod","phase":"Progressing","checksum":"6d9",'
                b'"metadata":{"type":"cmd","cmd":"hey http://x"}}'
            ),
            Payload("shop", "prod", {"type": "cmd", "cmd": "hey http://x"}),
        ),
        (b"{}", Payload()),
        (b"null", Payload()),
        (b'{"name":null,"metadata":{"cmd":null}}', Payload(metadata={"cmd": ""})),
        (b'{"name":"\\ud800"}', Payload(name="?")),
    ],
)
def test_what_is_read_of_a_payload(body: bytes, expected: Payload) -> None:
    """Name, namespace and metadata; null is absent, halves of characters are replaced."""
    assert payload.parse(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b'"x"', b'{"name":1}', b'{"metadata":[]}', b'{"metadata":{"cmd":1}}'),
        *(b"\xff", b"[" * 50_000),
    ],
)
def test_what_is_no_payload(body: bytes) -> None:
    """Other types are mistakes, as in Go."""
    with pytest.raises(BadPayloadError):
        payload.parse(body)
