"""`spec.analysis`: webhooks, alerts and session affinity."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from config.api.model import EMPTY_IS_UNSET, Flag, Model, StringMap, Text, Whole, described, switch
from config.durations import STRICT_PATTERN


class WebhookType(StrEnum):
    """When a webhook is called."""

    CONFIRM_ROLLOUT = "confirm-rollout"
    PRE_ROLLOUT = "pre-rollout"
    ROLLOUT = "rollout"
    CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
    CONFIRM_PROMOTION = "confirm-promotion"
    POST_ROLLOUT = "post-rollout"
    ROLLBACK = "rollback"
    EVENT = "event"


class Webhook(Model):
    """An HTTP endpoint called at a point of the rollout; answers up to 202 mean success."""

    name: Text = Field(description="Name used in events.")
    type: Annotated[WebhookType, EMPTY_IS_UNSET] = described(
        "When it is called; rollout when empty.",
        WebhookType.ROLLOUT,
        enum=["", *(kind.value for kind in WebhookType)],
    )
    url: Text = Field(
        description="Address the payload is posted to.", json_schema_extra={"format": "url"}
    )
    timeout: Text | None = described(
        "Time limit of one attempt; 10s when empty.", pattern=STRICT_PATTERN
    )
    retries: Whole = described("Further attempts after a failure.", 0)
    disable_tls: Flag = switch(
        "Whether the certificate of the endpoint is not verified.", alias="disableTLS"
    )
    mute_alert: Flag = switch("Whether a gate's waiting is not alerted.")
    metadata: StringMap = described("Sent in the payload.", {})


class AlertSeverity(StrEnum):
    """The least severity that is delivered."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class AlertProviderRef(Model):
    """The AlertProvider to send through."""

    name: Text = Field(description="Name of the AlertProvider.")
    namespace: Text | None = described("Its namespace; the canary's when empty.")


class Alert(Model):
    """A receiver of alerts about this canary."""

    name: Text = Field(description="Label of the alert.")
    severity: Annotated[AlertSeverity | None, EMPTY_IS_UNSET] = described(
        "Least severity delivered.", enum=["", *(level.value for level in AlertSeverity)]
    )
    provider_ref: AlertProviderRef = Field(description="The AlertProvider to send through.")


class SessionAffinity(Model):
    """Cookies that keep users at the version they were first given."""

    cookie_name: Text = Field(description="Cookie set by answers of the canary.")
    primary_cookie_name: Text | None = described("Cookie that makes the primary sticky too.")
    max_age: Whole = described(
        "Life time of the canary's cookie in seconds; a day when 0.", 86400, in_schema=True
    )
    domain: Text | None = described("Domain of the cookies.")
    path: Text | None = described("Path of the cookies.")
    http_only: Flag = switch("Whether scripts cannot read them.")
    partitioned: Flag = switch("Whether they are partitioned.")
    secure: Flag = switch("Whether they are sent over TLS only.")
    same_site: Literal["Strict", "Lax", "None"] | None = described("SameSite attribute.")
