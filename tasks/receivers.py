"""Reads AlertProviders and their Secrets where alerts are sent, and keeps them for seconds.

What they hold is in the memory of this process alone, and never in the words of an error.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from analysis.backends.backend import SecretKey
from clients import errors
from clients.clock import Clock
from clients.kube import resources
from clients.kube.protocol import Kube
from config.api.alert_provider import AlertProviderSpec, AlertProviderType
from config.refs import ObjectRef
from config.settings.alerting import AlertSettings
from config.validation import alert_providers
from config.validation.problems import HTTP_URL, InvalidSpec, is_http_url
from notify.message import Sender
from tasks.credentials import SecretReader

KEPT: Final = 30.0
"""Seconds for which a receiver is used before it is read again; as credentials of backends are."""

LONGEST_READ: Final = 3.0
"""Seconds for reading one."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where alerts are sent; `label` is what people may read of it."""

    kind: AlertProviderType
    label: str
    sender: Sender
    proxy: str = ""

    def __repr__(self) -> str:
        """Its label: a proxy may have a password."""
        return f"Receiver({self.label})"


class Unusable(errors.Transient):
    """There is no such receiver, or it is of no use; its author may mend it."""


class Receivers:
    """Safe to share by threads."""

    def __init__(self, kube: Kube, clock: Clock, settings: AlertSettings) -> None:
        """Nothing is read yet."""
        self._kube = kube
        self._clock = clock
        self._settings = settings
        self._secrets = SecretReader(kube, clock)
        self._known: dict[ObjectRef, tuple[float, Receiver]] = {}
        self._changing = threading.Lock()

    def of(self, source: ObjectRef | AlertProviderType) -> Receiver:
        """The receiver of an AlertProvider, or of the settings.

        Raises Unusable, saying field, value and what is allowed, and what the door does.
        """
        if isinstance(source, AlertProviderType):
            return of_settings(source, self._settings)
        now = self._clock.monotonic()
        read_at, known = self._known.get(source, (0.0, None))
        if known is not None and now - read_at < KEPT:
            return known
        receiver = self._read(source)
        with self._changing:
            kept = {key: each for key, each in self._known.items() if now - each[0] < KEPT}
            self._known = {**kept, source: (now, receiver)}
        return receiver

    def _read(self, ref: ObjectRef) -> Receiver:
        label, kube = f"alertprovider {ref.dotted}", self._kube
        try:
            kube = kube.until(self._clock.monotonic() + LONGEST_READ)
            raw = kube.get(resources.ALERT_PROVIDERS, ref.namespace, ref.name)
            spec = alert_providers.load_provider(raw)
        except errors.NotFound:
            allowed = f"allowed is the name of an AlertProvider in namespace {ref.namespace}"
            raise Unusable(f"{label} not found; {allowed}") from None
        except InvalidSpec as invalid:
            raise Unusable(f"{label}: {invalid}") from None
        except errors.Permanent as refused:
            raise Unusable(f"{label} cannot be read: {refused.message}") from None
        address, token = self._address(ref, label, spec)
        names = {"channel": spec.channel, "username": spec.username}
        given = {key: name for key, name in names.items() if name}
        sender = Sender(address=address, token=token, **given)
        return Receiver(spec.type, label, sender, spec.proxy or "")

    def _address(self, ref: ObjectRef, label: str, spec: AlertProviderSpec) -> tuple[str, str]:
        """Address and token; of a Secret, which is in the namespace of the provider."""
        if spec.secret_ref is None:
            return spec.address or "", ""
        name, field = spec.secret_ref.name, f"{label}: spec.secretRef.name"
        allowed = f"allowed is a Secret of namespace {ref.namespace} with key address"
        try:
            texts = self._secrets.read(SecretKey(ref.namespace, name)).values
        except errors.NotFound:
            raise Unusable(f'{field}: "{name}": not found; {allowed}') from None
        except errors.Permanent as refused:
            words = refused.message.rpartition(": ")[2]
            raise Unusable(f'{field}: "{name}": cannot be read: {words}; {allowed}') from None
        address = texts.get("address", "").strip()
        if not address:
            raise Unusable(f'{field}: "{name}": has no key address; {allowed}')
        if not is_http_url(address):
            raise Unusable(f'{field}: "{name}": its address is not {HTTP_URL}')
        token = texts.get("token", "").strip()
        if not (token.isascii() and token.isprintable()):
            raise Unusable(f'{field}: "{name}": its token is not printable ASCII, as headers are')
        return address, token


def of_settings(kind: AlertProviderType, settings: AlertSettings) -> Receiver:
    """The receiver of that kind that operators have set."""
    urls = {
        AlertProviderType.SLACK: (settings.slack_url, settings.slack_proxy, "--slack-url"),
        AlertProviderType.MSTEAMS: (settings.teams_url, settings.teams_proxy, "--msteams-url"),
    }
    own = (settings.alertmanager_url, None, "--alertmanager-url")
    url, proxy, label = urls.get(kind, own)
    token = settings.slack_token if kind is AlertProviderType.SLACK else None
    sender = Sender(
        address=url.get_secret_value() if url else "",
        channel=settings.slack_channel or "",
        username=settings.slack_user,
        token=token.get_secret_value() if token else "",
    )
    return Receiver(kind, label, sender, proxy.get_secret_value() if proxy else "")
