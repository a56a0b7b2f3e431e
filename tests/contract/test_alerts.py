"""Alerts on the wire: what chat services refuse, proxies, tokens, and what is told of a refusal.

The receivers are servers of this process that check what the services document. An Alertmanager:
tests/system/test_alertmanager.py.
"""

import base64
from typing import Final

import pytest

from clients import errors
from clients.clock import SystemClock
from clients.documents.notice import Alert
from clients.http.client import Response
from config.api.alert_provider import AlertProviderType
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from notify import alerts
from notify.alerts import About
from notify.channels import FORMATS
from notify.message import Post, Sender
from tasks import sending
from tasks.sending import HttpSender
from tests.services.chats import chat
from tests.unit.notify.notices import a_notice

REF: Final = CanaryRef("shop", "cart")


@pytest.fixture(scope="module")
def send() -> HttpSender:
    """The door."""
    return HttpSender(SystemClock())


def an_alert(text: str = "Failed checks threshold reached 5", fields: int = 9) -> Alert:
    """An alert with so many fields."""
    details = tuple((f"Field {number}", "value") for number in range(fields))
    return Alert(AlertSeverity.ERROR, text, details)


@pytest.mark.parametrize("kind", sorted(FORMATS))
@pytest.mark.parametrize(
    "alert",
    [
        an_alert(),
        an_alert(fields=0),
        an_alert("x" * 100_000),
        Alert(AlertSeverity.ERROR, "<" * 9_000, tuple((f"Field {n}", "&" * 900) for n in range(9))),
        Alert(AlertSeverity.INFO, "New", tuple((f"Field {n}", "<&>" * 1_000) for n in range(9))),
    ],
    ids=["usual", "no fields", "long text", "all long", "long fields"],
)
def test_every_service_takes_every_alert(
    send: HttpSender, kind: AlertProviderType, alert: Alert
) -> None:
    """Empty texts, missing lists, too many characters are what they refuse."""
    about = About("eu-1", "https://grafana.example/{namespace}/{name}")
    with chat() as server:
        path = {"discord": "discord", "msteams": "teams"}.get(kind, kind)
        sender = Sender(address=f"{server.url}/{path}")
        message = alerts.message(REF, a_notice(), alert, about)
        form = FORMATS[kind]
        response = send(form.post(message, sender), "")
        assert (response.status, server.refused) == (200, [])
        assert server.asked[0][0] == ("/discord/slack" if kind == "discord" else f"/{path}")


def test_the_servers_refuse_what_the_services_do(send: HttpSender) -> None:
    """Else the test before says nothing."""
    with chat() as server:
        for path, body in [
            ("slack", {"attachments": []}),
            (
                "slack",
                {"channel": "c", "username": "u", "attachments": [{"text": "", "fields": []}]},
            ),
            (
                "slack",
                {"channel": "c", "username": "u", "attachments": [{"text": "x", "fields": None}]},
            ),
            ("slack", {"attachments": [{}] * 101}),
            ("teams", {"@type": "x", "summary": "", "sections": [{"activityTitle": ""}]}),
        ]:
            assert send(Post(f"{server.url}/{path}", body), "").status == 400
        assert len(server.refused) == 5


POST: Final = Post("https://hooks.example/services/T0123/Bs3cr3t?k=qu3ry", {}, "xoxb-t0k3n")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, errors.NotFound),
        (400, errors.Permanent),
        (401, errors.NotFound),
        (403, errors.NotFound),
        (404, errors.NotFound),
        (410, errors.NotFound),
        (413, errors.Permanent),
        (429, errors.Transient),
        (500, errors.Transient),
        (503, errors.Transient),
    ],
)
def test_what_may_be_mended_is_tried_again(status: int, kind: type[errors.ClientError]) -> None:
    """A payload that is refused never is; an address that is not known may be put right."""
    assert type(sending.refusal(POST, Response(status, "no_service"))) is kind


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("no_service", "404 no_service"),
        ("  two\n lines ", "404 two lines"),
        ("Cannot POST /services/T0123/Bs3cr3t", "404"),
        ("no BS3CR3T here", "404"),
        ("k=qu3ry", "404"),
        ("bad token xoxb-t0k3n", "404"),
        ("Cannot POST %2Fservices%2FT0123", "404"),
        ("", "404"),
    ],
)
def test_an_answer_is_told_unless_it_quotes_the_address(body: str, told: str) -> None:
    """It goes into logs and events."""
    assert sending.refusal(POST, Response(404, body)).message == told


def test_a_failure_to_connect_tells_no_address(send: HttpSender) -> None:
    """Nor does what Python would print of it."""
    with chat() as server:
        gone = server.url
    with pytest.raises(errors.Transient) as failure:
        send(Post(f"{gone}/services/Bs3cr3t", {}), "")
    assert "connecting failed" in failure.value.message
    assert "s3cr3t" not in failure.value.message
    assert failure.value.__suppress_context__


def test_a_proxy_is_used_with_its_password(send: HttpSender) -> None:
    """By one provider alone; the proxy is told the whole URL."""
    with chat() as proxy:
        address = proxy.url.replace("http://", "http://me:s3cr3t@")
        response = send(Post("http://chat.invalid/webhook", {"message": "x"}), address)
        assert response.status == 200
        ((path, headers, _),) = proxy.asked
        assert path == "http://chat.invalid/webhook"
        sent = {name.lower(): value for name, value in headers.items()}
        password = base64.b64encode(b"me:s3cr3t").decode()
        assert sent["proxy-authorization"] == f"Basic {password}"


def test_a_token_is_sent_as_bearer(send: HttpSender) -> None:
    """To Slack's own API."""
    with chat() as server:
        send(Post(f"{server.url}/webhook", {"message": "x"}, "xoxb-1"), "")
        assert server.asked[0][1]["Authorization"] == "Bearer xoxb-1"
