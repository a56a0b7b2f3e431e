"""The formats of alerts: a kind of receiver is one module and one line here.

Alertmanager is none of them: it is told how things are, not what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from config.api.alert_provider import AlertProviderType
from notify.channels import discord, gchat, msteams, rocket, slack, webhook
from notify.message import Format

FORMATS: Final[Mapping[AlertProviderType, Format]] = {
    AlertProviderType.SLACK: slack.FORMAT,
    AlertProviderType.MSTEAMS: msteams.FORMAT,
    AlertProviderType.DISCORD: discord.FORMAT,
    AlertProviderType.ROCKET: rocket.FORMAT,
    AlertProviderType.GCHAT: gchat.FORMAT,
    AlertProviderType.WEBHOOK: webhook.FORMAT,
}
