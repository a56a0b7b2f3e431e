"""The AlertProvider resource: a chat channel that canaries send alerts through."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from pydantic import ConfigDict, Field

from config.api.metric_template import SecretRef
from config.api.model import Model, Text, described

_ONE_ADDRESS: Final[dict[str, Any]] = {
    "oneOf": [{"required": ["type", "address"]}, {"required": ["type", "secretRef"]}],
    "required": None,
}


class AlertProviderType(StrEnum):
    """The message formats."""

    SLACK = "slack"
    MSTEAMS = "msteams"
    DISCORD = "discord"
    ROCKET = "rocket"
    GCHAT = "gchat"
    ALERTMANAGER = "alertmanager"
    WEBHOOK = "webhook"


class AlertProviderSpec(Model):
    """Where alerts go; exactly one of address and secretRef."""

    model_config = ConfigDict(json_schema_extra=_ONE_ADDRESS)

    type: AlertProviderType = Field(
        description="Message format; alertmanager and webhook are Coalmine's own."
    )
    channel: Text | None = described("Channel (slack, discord, rocket); general when empty.")
    username: Text | None = described("Sender (slack, discord, rocket); flagger when empty.")
    address: Text | None = described("Webhook URL.")
    proxy: Text | None = described("URL of an HTTP proxy.")
    secret_ref: SecretRef | None = described(
        "Secret in the namespace of the provider: key address, and for slack optionally token."
    )


class AlertProvider(Model):
    """An AlertProvider object, as far as it is read."""

    spec: AlertProviderSpec = Field(description="Where alerts go.")
