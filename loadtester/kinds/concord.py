"""Tasks that are processes of Concord: started there, and followed to their end.

Which servers get the content of which files is the operator's to say, not the payload's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import yarl

from loadtester import remote
from loadtester.jobs import End, Job, Mode, Outcome, Refused
from loadtester.payload import Payload
from loadtester.remote import CallFailed, Remote

_API: Final = "/api/v1/process"
_BAD: Final = frozenset({"FAILED", "CANCELLED", "TIMED_OUT"})
_ARGUMENT: Final = "arguments."
_ENDPOINT: Final = "arguments.endpoint"
_DEFAULT_INTERVAL: Final = "5"
_LONGEST_KEY: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Concord:
    """The servers that may be called, the folder with the files of keys, and the time limit."""

    servers: frozenset[str]
    keys: Path | None
    limit: timedelta

    def job(self, payload: Payload) -> Job:
        """Type `concord`: a process, waited for. Raises Refused."""
        said = payload.metadata
        server = self._server(said)
        follow = partial(_followed, [*_fields(said)], _interval(said.get("pollInterval", "")))
        key = self._key(said["apiKeyPath"])
        return Job(
            kind="concord",
            mode=Mode.BLOCKING,
            canary=payload.ref.dotted,
            identity=payload.ref.dotted,
            label="Concord",
            work=partial(remote.outcome, server, key, self.limit, follow),
            returns_output=said.get("returnCmdOutput") == "true",
        )

    def _server(self, said: Mapping[str, str]) -> yarl.URL:
        """The server that is named, if it is one of ours, letter by letter."""
        if not (self.servers and self.keys):
            text = (
                "type concord is turned off, as it sends a file of the load tester to a server: "
                "its operator names both with --concord-servers and --concord-keys"
            )
            raise Refused(text, HTTPStatus.FORBIDDEN)
        server, *_ = remote.required(
            said, "server", "org", "project", "repo", "entrypoint", "endpoint", "apiKeyPath"
        )
        if server.rstrip("/") not in self.servers:
            allowed = ", ".join(sorted(self.servers))
            raise Refused(f"metadata server: allowed: {allowed}", HTTPStatus.FORBIDDEN)
        return remote.server(server)

    def _key(self, path: str) -> str:
        """The key in the file at `path`, links resolved; all others are refused alike."""
        try:
            file, folder = Path(path).resolve(), (self.keys or Path()).resolve()
            if file.is_relative_to(folder) and file.is_file():
                with file.open("rb") as opened:
                    if key := opened.read(_LONGEST_KEY).decode("latin-1").strip():
                        return key
        except (OSError, ValueError, RuntimeError):  # the last for a circle of links
            pass
        raise Refused(f"metadata apiKeyPath: allowed: a file with a key in {self.keys}")


def _fields(said: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a process is started with."""
    if _ENDPOINT in said:
        raise Refused(f"metadata {_ENDPOINT}: the endpoint is named by `endpoint`")
    yield from ((name, said[name]) for name in ("org", "project", "repo"))
    yield "entryPoint", said["entrypoint"]
    yield _ENDPOINT, said["endpoint"]
    for name, value in said.items():
        if name.startswith(_ARGUMENT):
            if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
                raise Refused("metadata arguments: allowed: names of letters, digits and . _ -")
            yield name, value


def _interval(text: str) -> timedelta:
    """The seconds between two looks."""
    text = text or _DEFAULT_INTERVAL
    if not re.fullmatch("[1-9][0-9]{0,4}", text, re.ASCII):
        raise Refused("metadata pollInterval: allowed: whole seconds from 1 to 99999")
    return timedelta(seconds=int(text))


async def _followed(fields: list[tuple[str, str]], interval: timedelta, service: Remote) -> Outcome:
    form = aiohttp.FormData(fields, default_to_multipart=True)
    started = await service.call("POST", _API, form)
    match started:
        case {"instanceId": str(number)} if re.fullmatch("[0-9A-Za-z-]{1,64}", number, re.ASCII):
            return await service.until(f"{_API}/{number}", partial(_over, number), interval)
        case _:
            raise CallFailed("the process was started without an id")


def _over(number: str, answer: Mapping[str, Any]) -> Outcome | None:
    text = f"process {number} ended as "
    match answer:
        case {"status": "FINISHED"}:
            return Outcome(End.SUCCEEDED, f"{text}FINISHED\n")
        case {"status": str(status)} if status in _BAD:
            return Outcome(End.FAILED, error=f"{text}{status}")
        case {"status": str()}:
            return None
        case _:
            raise CallFailed(f"process {number} has no status")
