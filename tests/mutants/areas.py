"""Which files are tried, and which tests should notice; the quick ones first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants import lua_mutants, python_mutants
from tests.mutants.python_mutants import Mutant

SCENARIOS: Final = "tests/scenarios"


@dataclass(frozen=True)
class Area:
    """A part of the code; `folders` are searched for files that end with `suffix`."""

    name: str
    folders: tuple[str, ...]
    tests: tuple[str, ...]
    suffix: str = ".py"

    def files(self, checkout: Path) -> list[Path]:
        """The files of this part, sorted."""
        found = [each for folder in self.folders for each in checkout.glob(folder)]
        return sorted(each for each in found if each.suffix == self.suffix)

    def mutants(self, checkout: Path) -> list[Mutant]:
        """All defects that can be put into this part."""
        make = lua_mutants.mutants if self.suffix == ".lua" else python_mutants.mutants
        return [
            mutant
            for file in self.files(checkout)
            for mutant in make(str(file.relative_to(checkout)), file.read_text("utf-8"))
        ]


AREAS: Final = (
    Area(
        "analysis",
        (
            "analysis/*.py",
            "analysis/rules/*.py",
            "analysis/strategies/*.py",
            "analysis/judges/*.py",
        ),
        ("tests/unit/analysis", SCENARIOS),
    ),
    Area("routing", ("routing/*.py",), ("tests/unit/routing", "tests/unit/tasks", SCENARIOS)),
    Area("workloads", ("workloads/*.py",), ("tests/unit/workloads", "tests/unit/tasks", SCENARIOS)),
    Area(
        "tasks",
        ("tasks/*.py", "tasks/reconcile/*.py"),
        ("tests/unit/tasks", SCENARIOS, "tests/contract/test_celery.py"),
    ),
    Area(
        "scripts",
        ("clients/redis/lua/*.lua",),
        ("tests/contract/store", SCENARIOS),
        suffix=".lua",
    ),
)
