"""Our Redis URLs in Celery's words, whole; what Celery makes of them is tests/contract's."""

import pytest

from tasks import broker
from tasks.broker import Broker

TIMEOUTS = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0}
"""What `SOCKET` says that a sentinel's connection knows."""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:6380/3", Broker("redis://h:6380/3")),
        ("rediss://h/1", Broker("rediss://h/1?ssl_cert_reqs=required")),
        ("rediss://h/1?ssl_cert_reqs=none", Broker("rediss://h/1?ssl_cert_reqs=none")),
        ("unix:///run/r.sock", Broker("redis+socket:///run/r.sock?virtual_host=0")),
        ("unix:///run/r.sock?db=4", Broker("redis+socket:///run/r.sock?virtual_host=4")),
        (
            "sentinel://a:b@s1:26380,s2/main/4?sentinel_username=eve&sentinel_password=q",
            Broker(
                "sentinel://a:b@s1:26380/4;sentinel://a:b@s2:26379/4",
                {
                    "master_name": "main",
                    "sentinel_kwargs": {**TIMEOUTS, "username": "eve", "password": "q"},
                },
            ),
        ),
        (
            "rediss+sentinel://s1/main?ssl_ca_certs=/ca.pem",
            Broker(
                "sentinel://s1:26379/0",
                {
                    "master_name": "main",
                    "sentinel_kwargs": {
                        **TIMEOUTS,
                        "ssl": True,
                        "ssl_cert_reqs": "required",
                        "ssl_ca_certs": "/ca.pem",
                    },
                },
                {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"},
            ),
        ),
    ],
    ids=[
        "plain",
        "TLS",
        "TLS unchecked",
        "socket",
        "socket's database",
        "sentinels",
        "TLS by them",
    ],
)
def test_each_form_of_url_has_a_broker(url: str, expected: Broker) -> None:
    """Server, database, credentials, certificates and time limits are all carried over."""
    assert broker.of(url) == expected


def test_another_form_is_refused_without_repeating_it() -> None:
    """There may be a password in it."""
    with pytest.raises(ValueError, match="'http' is unknown") as refusal:
        broker.of("http://:secretword@h")
    assert "secretword" not in str(refusal.value)
