"""Tasks that are commands: load in the background, checks that somebody waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from loadtester.commands import Pipeline
from loadtester.jobs import Job, Mode, Outcome, Refused
from loadtester.payload import Payload
from loadtester.programs import Programs

Run = Callable[[Pipeline], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Commands:
    """What tasks of commands are made with: the programs there are, and what runs them."""

    programs: Programs
    run: Run

    def load(self, payload: Payload) -> Job:
        """Type `cmd`: the command line, in the background. Raises Refused."""
        text = _text(payload)
        return self._job(payload, "cmd", Mode.BACKGROUND, self.programs.of_text(text, "sh"))

    def check(self, payload: Payload) -> Job:
        """Type `bash`: the command line, waited for. Raises Refused."""
        text = _text(payload)
        return self._job(payload, "bash", Mode.BLOCKING, self.programs.of_text(text, "bash"))

    def tool(self, name: str, payload: Payload) -> Job:
        """Types `helm`, `helmv3` and `kubectl`: the program, with the text's words as they are.

        There are no quotation marks, as with Flagger. Raises Refused.
        """
        words = self.programs.of_words((name, *_text(payload).split()))
        return self._job(payload, name, Mode.BLOCKING, (words,))

    def _job(self, payload: Payload, kind: str, mode: Mode, pipeline: Pipeline) -> Job:
        said = payload.metadata
        return Job(
            kind=kind,
            mode=mode,
            canary=payload.ref.dotted,
            identity=f"{payload.ref.dotted} {_text(payload)}",
            label=self.programs.label(pipeline),
            work=partial(self.run, pipeline),
            failure=partial(_failure, _text(payload)),
            logs_output=mode is Mode.BLOCKING or said.get("logCmdOutput") == "true",
            returns_output=said.get("returnCmdOutput") == "true",
        )


def _text(payload: Payload) -> str:
    text = payload.metadata.get("cmd", "")
    if not text.strip():
        raise Refused("cmd not found in metadata")
    return text


def _failure(text: str, outcome: Outcome) -> str:
    """Flagger's text."""
    return f"command {text} failed: {outcome.output}: {outcome.error}"
