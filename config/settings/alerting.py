"""The settings of alerts: whom canaries without receivers of their own tell, and what with."""

# ruff: noqa: RUF009 - `setting` is a dataclasses.field whose default is immutable

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from config.settings import flags
from config.settings.flags import setting


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts go, and what they lead to; workers of all roles need the same."""

    slack_url: SecretStr | None = setting(
        "slack-url",
        flags.secret_url,
        "",
        "Slack webhook for the alerts of canaries without analysis.alerts; none by default, as in "
        "Flagger, whose variable SLACK_URL is read too and counts first.",
        flagger_env="SLACK_URL",
    )
    slack_token: SecretStr | None = setting(
        "slack-token",
        flags.secret,
        "",
        "Token sent to it, for Slack's own API (chat.postMessage); or SLACK_TOKEN.",
        flagger_env="SLACK_TOKEN",
    )
    slack_proxy: SecretStr | None = setting(
        "slack-proxy-url",
        flags.secret_url,
        "",
        "HTTP proxy on the way to it; or SLACK_PROXY_URL.",
        flagger_env="SLACK_PROXY_URL",
    )
    slack_user: str = setting("slack-user", str, "flagger", "Sender shown; Flagger's default.")
    slack_channel: str | None = setting(
        "slack-channel",
        str,
        "",
        "Channel of these alerts. As in Flagger there is no default, and without one nothing is "
        "sent: that is said at start-up.",
    )
    teams_url: SecretStr | None = setting(
        "msteams-url",
        flags.secret_url,
        "",
        "Microsoft Teams webhook for the same alerts; or MSTEAMS_URL. Beside Slack, both are told.",
        flagger_env="MSTEAMS_URL",
    )
    teams_proxy: SecretStr | None = setting(
        "msteams-proxy-url",
        flags.secret_url,
        "",
        "HTTP proxy on the way to it; or MSTEAMS_PROXY_URL.",
        flagger_env="MSTEAMS_PROXY_URL",
    )
    alertmanager_url: SecretStr | None = setting(
        "alertmanager-url",
        flags.secret_url,
        "",
        "Alertmanager that is told of all canaries: an alert fires while one has failed or a gate "
        "keeps it waiting, and is resolved by the next success. None by default.",
    )
    gate_wait: timedelta = setting(
        "alertmanager-gate-wait",
        flags.duration,
        "1h",
        "How long a gate may be closed before an alert fires: approvals take people minutes, and "
        "one that nobody gives within the hour was perhaps forgotten.",
    )
    link: str | None = setting(
        "alert-link",
        flags.link,
        "",
        "Where alerts lead to, with {namespace} and {name} for those of the canary, such as "
        "https://grafana.example/d/canary?var-namespace={namespace}&var-canary={name}.",
    )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What of them has no effect, for whoever reads the log."""
        if self.slack_url is None or self.slack_channel:
            return ()
        return ("--slack-url: no alerts are sent to Slack without --slack-channel",)
