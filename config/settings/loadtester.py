"""What operators set for `coalmine loadtester`; names and defaults are Flagger's if it has them."""

# ruff: noqa: RUF009 - `setting` is a dataclasses.field whose default is immutable

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import SecretStr

from config.settings import flags, settings
from config.settings.flags import BadValue, Flag, setting
from config.settings.groups import SettingsError

ALLOWED: Final = (
    "hey,wrk,ghz,curl,grpc_health_probe,helm,kubectl,jq,grep,head,tail,tr,cut,wc,cat,echo,test,"
    "true,false,sleep"
)


def _pattern(given: str) -> re.Pattern[str]:
    try:
        return re.compile(given)
    except (re.error, RecursionError, OverflowError):
        raise BadValue("a regular expression") from None


def _servers(given: str) -> tuple[str, ...]:
    servers = tuple(each.rstrip("/") for each in flags.texts(given))
    if not all(re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", each) for each in servers):
        raise BadValue("URLs that begin with http:// or https://, without user and query")
    return servers


@dataclass(frozen=True, slots=True)
class LoadTesterSettings:
    """Every setting has its default here; `from_environ` reads those that are given."""

    port: int = setting(
        "port",
        flags.port,
        "9090",
        "Port to listen on, 0 for any free one; Flagger's default.",
        env="LISTEN_PORT",
    )
    log_level: str = setting(
        "log-level", flags.log_level, "info", "debug, info, warn, error, fatal or panic."
    )
    redis_url: SecretStr | None = setting(
        "redis-url",
        flags.redis_url,
        "",
        "Redis or Valkey that keeps the gates, for all replicas; without it each process has its "
        "own, which end with it.",
    )
    timeout: timedelta = setting(
        "timeout",
        flags.duration,
        "1h",
        "Time limit of one task; Flagger's default.",
        env="LOADTESTER_TIMEOUT",
    )
    namespaces: re.Pattern[str] | None = setting(
        "namespace-regexp",
        _pattern,
        "",
        "Regular expression that is to be found in the namespace of whoever asks; all by default.",
        env="LOADTESTER_NAMESPACE_REGEXP",
    )
    allowed: tuple[str, ...] = setting(
        "allow",
        flags.texts,
        ALLOWED,
        "Programs that tasks may run, comma separated. No interpreters by default; it keeps "
        "mistakes and passers-by out, and is no sandbox: see the security notes.",
        env="LOADTESTER_ALLOW",
    )
    with_shell: bool = setting(
        "shell",
        flags.switch,
        "false",
        "Run tasks of type cmd and bash by sh and bash, as Flagger does: whoever reaches the load "
        "tester then runs whatever they like. Without it commands and pipes of them are run.",
        env="LOADTESTER_SHELL",
    )
    variables: tuple[str, ...] = setting(
        "pass-environment",
        flags.texts,
        "",
        "Variables that commands get beside the usual ones, comma separated.",
        env="LOADTESTER_PASS_ENVIRONMENT",
    )
    token_file: str | None = setting(
        "token-file",
        str,
        "",
        "File with the bearer token that opening and closing gates takes; none by default, as with "
        "Flagger. Read at each request, so that it can be changed.",
        env="LOADTESTER_TOKEN_FILE",
    )
    concord_servers: tuple[str, ...] | None = setting(
        "concord-servers",
        _servers,
        "",
        "URLs of the Concord servers that tasks of type concord may call, comma separated; without "
        "any, and without --concord-keys, the type is refused.",
        env="LOADTESTER_CONCORD_SERVERS",
    )
    concord_keys: str | None = setting(
        "concord-keys",
        str,
        "",
        "Folder with the API keys that those servers may be sent, a file each, as a Secret is "
        "mounted; tasks name one by `apiKeyPath`.",
        env="LOADTESTER_CONCORD_KEYS",
    )
    background: int = setting(
        "background-tasks",
        flags.whole(1, 10_000),
        "100",
        "Tasks of type cmd that run at a time; others wait for their turn.",
        env="LOADTESTER_BACKGROUND_TASKS",
    )
    blocking: int = setting(
        "blocking-tasks",
        flags.whole(1, 10_000),
        "32",
        "Tasks of the other types that run at a time; more are answered 503, which webhooks with "
        "`retries` ask again.",
        env="LOADTESTER_BLOCKING_TASKS",
    )

    @property
    def python_log_level(self) -> str:
        """The level as Python's logging names it."""
        return flags.LOG_LEVELS[self.log_level]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> LoadTesterSettings:
        """The settings that the variables describe. Raises SettingsError with all problems."""
        values, problems = settings.parsed(FLAGS, environ)
        if problems:
            raise SettingsError(tuple(problems))
        return cls(**values[GROUP])


GROUP: Final = "loadtester"
FLAGS: Final[tuple[Flag, ...]] = flags.declared(GROUP, LoadTesterSettings)
