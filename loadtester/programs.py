"""Which programs may run, where they are, and in what environment."""

from __future__ import annotations

import ctypes
import shutil
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import Final

from loadtester import commands
from loadtester.commands import Pipeline, Words
from loadtester.hey import arguments
from loadtester.jobs import Refused

PASSED: Final = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBECONFIG"),
    *("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"),
)
"""The variables that commands get; of others, which may hold secrets, they know nothing."""

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h
_ROOT: Final = str(Path(__file__).resolve().parents[1])
_OUR_HEY: Final = (sys.executable, "-P", "-m", "loadtester.hey")


def environment(environ: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """What commands get of `environ`: the usual variables and `more`.

    Beside them the path on which the embedded load generator is found, installed or not.
    """
    passed = {name: environ[name] for name in (*PASSED, *more) if name in environ}
    return {"PYTHONPATH": _ROOT, **passed}


def hide_environment() -> None:
    """Has the kernel keep ours from commands, which are of the same user. On Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs that tasks may run, by the names in `allowed`.

    `environ` is theirs; programs are looked for on its PATH.
    """

    allowed: frozenset[str]
    with_shell: bool
    environ: Mapping[str, str]

    def of_text(self, text: str, shell: str) -> Pipeline:
        """What to start for a command line: `shell` itself, where that is turned on.

        Raises Refused.
        """
        if self.with_shell:
            return ((self._path(shell), "-c", _without_null(text)),)
        try:
            pipeline = commands.parse(text)
        except commands.NeedsShellError as error:
            raise Refused(f"command needs a shell: {error}; {_TURN_ON}") from error
        except commands.UnreadableError as error:
            raise Refused(f"command cannot be read: {error}") from error
        return tuple(self.of_words(words) for words in pipeline)

    def of_words(self, words: Words) -> Words:
        """What to start for a program and its arguments.

        The embedded load generator takes the place of a hey that is not installed. Raises Refused.
        """
        name, *given = words
        if name not in self.allowed:
            allowed = ", ".join(sorted(self.allowed)) or "none"
            text = f"program {name!r} is not allowed; allowed: {allowed} (--allow adds others)"
            raise Refused(text, HTTPStatus.FORBIDDEN)
        _without_null("".join(given))
        if name == "hey" and self._found(name) is None:
            return _embedded(given)
        return (self._path(name), *given)

    @staticmethod
    def label(pipeline: Pipeline) -> str:
        """The names of the programs, for logs: what they are given may hold secrets."""
        return " | ".join(
            "hey (embedded)" if words[: len(_OUR_HEY)] == _OUR_HEY else PurePath(words[0]).name
            for words in pipeline
        )

    def _path(self, name: str) -> str:
        path = self._found(name)
        if path is None:
            raise Refused(f"program {name!r} is not installed beside the load tester")
        return path

    def _found(self, name: str) -> str | None:
        return shutil.which(name, path=self.environ.get("PATH"))


_TURN_ON: Final = (
    "what is to be taken as it stands needs quotation marks; the operator of the load tester can "
    "turn a shell on with --shell"
)


def _embedded(given: list[str]) -> Words:
    try:
        arguments.parse(given)
    except arguments.UsageError as error:
        raise Refused(f"hey: {error}") from error
    return (*_OUR_HEY, *given)


def _without_null(text: str) -> str:
    if "\0" in text:
        raise Refused("command cannot be read: a null character")
    return text
