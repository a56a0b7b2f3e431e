"""Who is told of a canary besides Kubernetes: its event hooks, and the receivers of its alerts.

Every channel has an account, by its name here. A notice is dropped when all of them have it, so
all processes must agree on who there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import SecretStr

from analysis import hooks
from analysis.hooks import HookCall
from clients.documents.notice import ALERTS
from config.api.alert_provider import AlertProviderType
from config.api.canary import Canary
from config.api.hooks import AlertSeverity, WebhookType
from config.refs import ObjectRef
from config.settings.alerting import AlertSettings
from config.settings.settings import Settings
from config.validation.rules import ANALYSIS
from notify.alerts import About


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who gets alerts: by an AlertProvider that `field` refers to, or by the settings.

    `least` is the severity from which on; None: all.
    """

    account: str
    source: ObjectRef | AlertProviderType
    least: AlertSeverity | None = None
    field: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told; the same in all processes of an installation."""

    channels: tuple[str, ...] = ()
    """The accounts of channels that are told everything of all canaries."""
    everybody: SecretStr | None = None
    """Where the events of canaries without event hooks of their own are posted."""
    alerts: AlertSettings = field(default_factory=AlertSettings)
    about: About = field(default_factory=About)

    @classmethod
    def of(cls, settings: Settings, channels: tuple[str, ...] = ()) -> Audience:
        """The audience that operators have set."""
        about = About(settings.canaries.cluster_name or "", settings.alerts.link or "")
        return cls(channels, settings.canaries.event_webhook, settings.alerts, about)

    def accounts(self, canary: Canary | None) -> tuple[str, ...]:
        """Those of all channels, as far as `canary`, None if it was never accepted, has some."""
        return (*self.channels, *self.hooks(canary), *self.receivers(canary))

    def hooks(self, canary: Canary | None) -> tuple[str, ...]:
        """The accounts of its event hooks."""
        return tuple(hook_account(call.key) for call in self.calls(canary)) if canary else ()

    def receivers(self, canary: Canary | None) -> tuple[str, ...]:
        """The accounts of those who get its alerts."""
        return tuple(each.account for each in self.listeners(canary))

    def calls(self, canary: Canary, phase: str = "", revision: str = "") -> tuple[HookCall, ...]:
        """The calls of its event hooks, told `phase` and `revision`."""
        own = hooks.hook_calls(canary, WebhookType.EVENT, phase, revision)
        if own or self.everybody is None:
            return own
        return (hooks.event_call(canary, self.everybody.get_secret_value(), phase, revision),)

    def listeners(self, canary: Canary | None) -> tuple[Listener, ...]:
        """Who gets its alerts: those in its manifest, or else those of the settings.

        An Alertmanager in the settings is told of all canaries.
        """
        if canary is None:
            return ()
        own = tuple(_own(canary))
        return (*(own or self._global()), *self._watching())

    def _global(self) -> Iterator[Listener]:
        if self.alerts.slack_url and self.alerts.slack_channel:
            yield _of_settings(AlertProviderType.SLACK)
        if self.alerts.teams_url:
            yield _of_settings(AlertProviderType.MSTEAMS)

    def _watching(self) -> Iterator[Listener]:
        if self.alerts.alertmanager_url:
            yield _of_settings(AlertProviderType.ALERTMANAGER)


def source_of(account: str) -> ObjectRef | AlertProviderType:
    """The AlertProvider, or the type in the settings, whose account this is."""
    source, _, _ = account.removeprefix(ALERTS).partition("#")
    namespace, slash, name = source.partition("/")
    return ObjectRef(namespace, name) if slash else AlertProviderType(source)


def hook_account(key: str) -> str:
    """The account of an event hook."""
    return f"event-hook:{key}"


def _own(canary: Canary) -> Iterator[Listener]:
    """One for each entry; an AlertProvider that is named twice is told twice, as with Flagger."""
    seen = Counter[str]()
    for index, alert in enumerate(canary.spec.analysis.alerts):
        ref = alert.provider_ref
        source = ObjectRef(ref.namespace or canary.namespace, ref.name)
        account = f"{ALERTS}{source.namespace}/{source.name}"
        seen[account] += 1
        more = f"#{seen[account]}" if seen[account] > 1 else ""
        field = f"{ANALYSIS}.alerts[{index}].providerRef"
        yield Listener(f"{account}{more}", source, alert.severity, field)


def _of_settings(kind: AlertProviderType) -> Listener:
    return Listener(f"{ALERTS}{kind.value}", kind)
