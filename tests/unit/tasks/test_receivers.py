"""AlertProviders and their Secrets as they are read where alerts are sent."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from clients import errors
from clients.clock import ManualClock
from clients.kube import resources
from config.api.alert_provider import AlertProviderType
from config.refs import ObjectRef
from config.settings.settings import Settings
from tasks.receivers import KEPT, Receivers, Unusable
from tests.fakes.faults import Fault
from tests.fakes.kube import Door, FakeKube
from tests.unit.notify.notices import NOW

REF: Final = ObjectRef("sre", "chat")
URL: Final = "https://chat.example/T0/s3cr3t"
SECRET: Final = {"type": "slack", "secretRef": {"name": "url"}}


class Site:
    """A cluster with one AlertProvider, and whoever reads it."""

    def __init__(self, spec: Mapping[str, Any], secret: Mapping[str, bytes] | None = None) -> None:
        self.clock = ManualClock(NOW)
        self.kube = FakeKube(self.clock)
        self.door = Door(self.kube, self.clock)
        self.kube.create(resources.NAMESPACES, None, {"metadata": {"name": "sre"}})
        metadata = {"name": "chat", "namespace": "sre"}
        kind = {"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider"}
        self.kube.create(
            resources.ALERT_PROVIDERS, "sre", {**kind, "metadata": metadata, "spec": spec}
        )
        if secret is not None:
            self.kube.create(
                resources.SECRETS, "sre", {"metadata": {"name": "url"}, **data(secret)}
            )
        self.receivers = Receivers(self.door, self.clock, Settings().alerts)

    def why_not(self) -> str:
        """Why the provider is of no use."""
        with pytest.raises(Unusable) as unusable:
            self.receivers.of(REF)
        return unusable.value.message


def data(texts: Mapping[str, bytes]) -> dict[str, Any]:
    """The data of a Secret."""
    return {"data": {key: base64.b64encode(text).decode() for key, text in texts.items()}}


def test_address_and_token_are_those_of_the_secret() -> None:
    """White space at the ends, as editors and `echo` leave it, is no part of them."""
    spec = {**SECRET, "channel": "team", "proxy": "http://me:pass@proxy:3128"}
    site = Site(spec, {"address": f"{URL}\n".encode(), "token": b"xoxb-1\n"})
    known = site.receivers.of(REF)
    assert (known.sender.address, known.sender.token) == (URL, "xoxb-1")
    assert (known.kind, known.sender.channel, known.sender.username) == ("slack", "team", "flagger")
    assert known.proxy == "http://me:pass@proxy:3128"
    assert [text for text in ("s3cr3t", "xoxb", "pass") if text in repr(known)] == []


def test_a_provider_without_a_secret_has_its_address() -> None:
    """And Flagger's defaults."""
    known = Site({"type": "discord", "address": URL}).receivers.of(REF)
    assert (known.sender.address, known.sender.token, known.proxy) == (URL, "", "")
    assert (known.sender.channel, known.sender.username) == ("general", "flagger")


@pytest.mark.parametrize(
    ("spec", "secret", "why"),
    [
        (SECRET, None, '"url": not found; allowed is a Secret of namespace sre with key address'),
        (SECRET, {"token": b"x"}, '"url": has no key address; allowed is'),
        (SECRET, {"address": b"\xff"}, '"url": has no key address; allowed is'),
        (SECRET, {"address": b"s3cr3t"}, '"url": its address is not an absolute http:// or'),
        (SECRET, {"address": b"ftp://x/s3cr3t"}, '"url": its address is not an absolute http'),
        ({"type": "slack", "address": "http:///s3cr3t"}, None, "spec.address: "),
        ({**SECRET, "proxy": "s3cr3t"}, None, "spec.proxy: "),
        ({"type": "slack", "secretRef": {"name": ""}}, None, "spec.secretRef.name: "),
    ],
)
def test_what_is_wrong_is_told_with_field_and_what_is_allowed(
    spec: Mapping[str, Any], secret: Mapping[str, bytes] | None, why: str
) -> None:
    """And nothing of a secret, be it one that is of no use."""
    told = Site(spec, secret).why_not()
    assert told.startswith("alertprovider chat.sre: spec.")
    assert why in told
    assert "allowed" in told or "is not an absolute" in told
    assert "s3cr3t" not in told


def test_a_missing_provider_and_missing_rights_are_told() -> None:
    """Both may be mended."""
    site = Site({"type": "slack", "address": URL})
    site.kube.delete(resources.ALERT_PROVIDERS, "sre", "chat")
    assert site.why_not() == (
        "alertprovider chat.sre not found; allowed is the name of an AlertProvider in namespace sre"
    )
    site = Site(SECRET, {"address": URL.encode()})
    refused = errors.Permanent("get secrets: forbidden", status=403, reason="Forbidden")
    site.door.faults.add(Fault(refused, resource="secrets"))
    assert '"url": cannot be read: Forbidden' in site.why_not()


def test_an_exchanged_address_counts_after_half_a_minute() -> None:
    """Until then nobody asks the API server."""
    site = Site(SECRET, {"address": URL.encode()})
    first = site.receivers.of(REF)
    site.kube.patch(resources.SECRETS, "sre", "url", data({"address": b"https://chat.example/new"}))
    site.clock.advance(timedelta(seconds=KEPT - 1))
    assert site.receivers.of(REF) is first
    site.clock.advance(timedelta(seconds=1))
    assert site.receivers.of(REF).sender.address == "https://chat.example/new"


def test_an_api_server_that_is_away_is_no_fault_of_the_provider() -> None:
    """It is tried again, and nobody is told that something is wrong with it."""
    site = Site(SECRET, {"address": URL.encode()})
    site.door.faults.add(Fault(errors.Transient("away"), resource="alertproviders"))
    with pytest.raises(errors.Transient) as away:
        site.receivers.of(REF)
    assert not isinstance(away.value, Unusable)
    assert site.receivers.of(REF).sender.address == URL


def test_receivers_of_the_settings_are_read_from_there() -> None:
    """Labelled by their option, which is what operators look for."""
    settings = Settings.from_environ(
        {
            "SLACK_URL": URL,
            "SLACK_TOKEN": "xoxb-1",
            "COALMINE_SLACK_CHANNEL": "releases",
            "MSTEAMS_URL": f"{URL}/teams",
            "MSTEAMS_PROXY_URL": "http://proxy:3128",
            "COALMINE_ALERTMANAGER_URL": f"{URL}/am",
        }
    )
    clock = ManualClock(NOW)
    receivers = Receivers(FakeKube(clock), clock, settings.alerts)
    kinds = AlertProviderType.SLACK, AlertProviderType.MSTEAMS, AlertProviderType.ALERTMANAGER
    slack, teams, manager = map(receivers.of, kinds)
    assert [each.label for each in (slack, teams, manager)] == [
        "--slack-url",
        "--msteams-url",
        "--alertmanager-url",
    ]
    assert (slack.sender.address, slack.sender.token, slack.sender.channel) == (
        URL,
        "xoxb-1",
        "releases",
    )
    assert (teams.sender.address, teams.sender.token, teams.proxy) == (
        f"{URL}/teams",
        "",
        "http://proxy:3128",
    )
    assert (manager.sender.address, manager.proxy) == (f"{URL}/am", "")
