"""Which files are tried, and which tests may notice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants import lua_mutants, python_mutants
from tests.mutants.python_mutants import Mutant

TESTS: Final = (
    "tests/unit/analysis",
    "tests/unit/routing",
    "tests/unit/workloads",
    "tests/unit/tasks",
    "tests/unit/scheduler",
    "tests/contract/store",
    "tests/contract/test_celery.py",
    "tests/contract/test_intake.py",
    "tests/contract/test_prometheus_provider.py",
    "tests/scenarios",
)
GENERATED: Final = "tests/unit/analysis/test_diagram.py"
"""Compares a page with the code it is made from: notices every edit, but no wrong behaviour."""

GENERATOR: Final = "analysis/diagram.py"
"""Makes that page; no part of the application."""


@dataclass(frozen=True)
class Area:
    """A part of the code: the files that `pattern` finds."""

    name: str
    pattern: str

    def mutants(self, checkout: Path) -> list[Mutant]:
        """All defects that can be put into this part."""
        make = lua_mutants.mutants if self.pattern.endswith(".lua") else python_mutants.mutants
        return [
            mutant
            for file in sorted(checkout.glob(self.pattern))
            if (path := str(file.relative_to(checkout))) != GENERATOR
            for mutant in make(path, file.read_text("utf-8"))
        ]


AREAS: Final = (
    Area("analysis", "analysis/**/*.py"),
    Area("routing", "routing/**/*.py"),
    Area("workloads", "workloads/**/*.py"),
    Area("tasks", "tasks/**/*.py"),
    Area("scripts", "clients/redis/lua/*.lua"),
)
