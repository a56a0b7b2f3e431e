"""What the commands that people type most import: counted, since time depends on the machine."""

import subprocess
import sys

import pytest

from tests.services import presence

MODELS = {"analysis", "config.api.canary", "workloads", "scheduler", "tasks"}
"""Our own heavy ones: rules, models of manifests, kinds of workloads; `analysis` but for texts."""
LIBRARIES = {"celery", "kubernetes", "pydantic.main", "redis", "rich", "urllib3", "yaml"}
LIGHT = {
    "analysis.figures",
    "analysis.phases",
    "analysis.recorded",
    "analysis.waiting",
    "analysis.wording",
}


def imported(statement: str) -> set[str]:
    """The modules that are there after a statement in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=presence.REPOSITORY,
    )
    return set(told.stdout.splitlines()[-1].split())


def ours(modules: set[str]) -> set[str]:
    """Those of MODELS and what is in them."""
    heavy = {each for each in modules if any(f"{each}.".startswith(f"{m}.") for m in MODELS)}
    return heavy - LIGHT - {"analysis"}


@pytest.mark.parametrize("words", [["--help"], ["completion", "bash"]])
def test_help_and_completion_read_no_library_of_the_cluster(words: list[str]) -> None:
    """Nor the rules, nor the models of manifests."""
    run = f"from cli import main\ntry: main.main({words!r})\nexcept SystemExit: pass"
    found = imported(run)
    assert ours(found) == set()
    assert found & LIBRARIES == set()


def test_get_reads_neither_rules_nor_models() -> None:
    """A table needs the API server, texts and the names of phases and waits."""
    found = imported("from cli.console import listing, session")
    assert ours(found) == set()
    assert found & {"celery", "redis"} == set()
