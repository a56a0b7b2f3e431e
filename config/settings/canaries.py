"""The settings of canaries: defaults and limits, and what is told of all of them."""

# ruff: noqa: RUF009 - `setting` is a dataclasses.field whose default is immutable

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from config.networks import Denied
from config.settings import flags
from config.settings.flags import setting


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """Defaults and limits of canaries, named as in Flagger."""

    mesh_provider: str = setting(
        "mesh-provider",
        flags.provider,
        "istio",
        "Traffic provider of canaries that name none; Flagger's default. Unknown names are "
        "refused.",
    )
    selector_labels: tuple[str, ...] = setting(
        "selector-labels",
        flags.some_texts,
        "app,name,app.kubernetes.io/name",
        "Labels by which pods may be selected, comma separated; the first in a workload's selector "
        "is used. Flagger's default.",
    )
    include_label_prefixes: tuple[str, ...] = setting(
        "include-label-prefix",
        flags.texts,
        "",
        "Prefixes of labels and annotations copied to primary objects, comma separated; * for "
        "all, none by default as in Flagger.",
    )
    no_cross_namespace_refs: bool = setting(
        "no-cross-namespace-refs",
        flags.switch,
        "false",
        "Refuse canaries that refer to templates or alert providers of other namespaces; allowed "
        "by default as in Flagger.",
    )
    denied: Denied = setting(
        "denied-networks",
        flags.denied,
        "",
        "Networks that no webhook, alert or metric query is sent to, such as "
        "169.254.0.0/16,127.0.0.0/8,::1/128: looked at when a connection is made, by the address "
        "that a name leads to. Servers of these settings, and proxies, are held to it, too. None "
        "by default: what to protect depends on the cluster.",
    )
    interval_floor: timedelta = setting(
        "min-interval",
        flags.duration,
        "10s",
        "Shortest analysis interval; a manifest that asks for less gets this. Flagger's floor: a "
        "shorter interval judges a revision on next to no traffic. The demo goes below it.",
    )
    scale_down_delay: timedelta = setting(
        "scale-down-delay",
        flags.duration,
        "1s",
        "How long pods stay that a route leads nobody to any more, after the API server has taken "
        "it: proxies hear of it later, 0.1 s on a small mesh, several seconds on one of thousands. "
        "A rollback has its traffic away at once all the same.",
    )
    config_tracking: bool = setting(
        "enable-config-tracking",
        flags.switch,
        "true",
        "Release changes of the ConfigMaps and Secrets that pods of targets use, and give "
        "primaries copies of them; Flagger's default. Beats list and watch their metadata, "
        "analysis workers read and write them.",
    )
    event_webhook: SecretStr | None = setting(
        "event-webhook",
        flags.secret_url,
        "",
        "Where the events of canaries without a webhook of type event are posted; nowhere by "
        "default, as in Flagger, whose variable EVENT_WEBHOOK_URL is read too and counts first. "
        "Workers of all roles need it; it is not stored.",
        flagger_env="EVENT_WEBHOOK_URL",
    )
    cluster_name: str | None = setting(
        "cluster-name", str, "", "Name of the cluster, on every log line and in alerts."
    )
