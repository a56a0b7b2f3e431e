"""Connecting to an API server: the one place that knows where its address and credentials are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from clients import errors, translation
from clients.clock import Clock
from clients.instruments import SILENT, Instruments
from clients.kube.rest import KubeHttp
from clients.kube.transport import Limits, Transport

POOL_SIZE: Final = 32
"""Connections kept open, 100 KiB each: a batch may make as many calls at a time, and a new one
costs as much CPU as ten calls."""


def connect(
    *,
    role: str,
    url: str | None = None,
    kubeconfig: Path | None = None,
    context: str | None = None,
    pool_size: int = POOL_SIZE,
    limits: Limits | None = None,
    clock: Clock | None = None,
    doubt: Callable[[], None] | None = None,
    tell: Instruments = SILENT,
) -> KubeHttp:
    """The API server at `url` without credentials, else of `kubeconfig`, else the one around us.

    `role` names the process to the server: User-Agent `coalmine/<role>`; `context` is of the
    kubeconfig, None: its current one. For `doubt` and `tell` see `Transport`. No request is made.

    Raises Permanent when there is no such file or context, or we run in no cluster.
    """
    api = client(role, url, kubeconfig, context, pool_size)
    return KubeHttp(Transport(api, limits=limits, clock=clock, doubt=doubt, tell=tell))


def client(
    role: str,
    url: str | None = None,
    kubeconfig: Path | None = None,
    context: str | None = None,
    pool_size: int = 1,
) -> ApiClient:
    """The library's client, which knows where the API server is, and who we are; see `connect`."""
    configuration = Configuration(host=url) if url else Configuration()
    configuration.connection_pool_maxsize = pool_size
    if not url and kubeconfig is not None:
        with translation.translated(f"kubeconfig {kubeconfig}"):
            _load(kubeconfig, context, configuration)
    elif not url:
        with translation.translated("no API server URL, no kubeconfig and not in a cluster"):
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    api = ApiClient(configuration)
    api.user_agent = f"coalmine/{role}"
    return api


def _load(kubeconfig: Path, context: str | None, configuration: Configuration) -> None:
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(kubeconfig),
            context,
            client_configuration=configuration,
            persist_config=False,
        )
    except config.ConfigException:
        kubeconfig.expanduser().open("rb").close()  # a file that is not there is told as empty
        raise
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError):
        # Not chained: a parser quotes the line it stumbles over, which may hold a credential.
        raise errors.Permanent(f"kubeconfig {kubeconfig}: the file is not a kubeconfig") from None
