"""Where each fenced block of the pages is typed, rendered, compared or applied.

A new block without a place here fails a test. Not run is what needs a registry, or nodes.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests import fences
from tests.fences import Fence


class Here(enum.Enum):
    """What tests/contract/test_pages.py does with a block; with `make` the unit tests of pages."""

    TYPED = "typed into a shell; kubectl, helm and curl are real, and so is the API server"
    MADE = "asked of make, which says what it would do"
    READ = "read by promtool"
    RENDERED = "rendered by kubectl"


@dataclass(frozen=True)
class By:
    """Another test does: `file::name`."""

    test: str


@dataclass(frozen=True)
class Left:
    """Nobody does, for a reason."""

    reason: str


Place = Here | By | Left

SYSTEM: Final = "tests/system"
WALKED: Final = By(f"{SYSTEM}/test_walkthrough.py::test_the_walk_through_shows_what_it_says")
STARTED: Final = By(f"{SYSTEM}/test_getting_started.py::test_the_releases_end_as_the_page_says")
FLOWER: Final = By(f"{SYSTEM}/test_up.py::test_flower_runs_as_its_manifest_says")
CONSOLE: Final = By(
    f"{SYSTEM}/test_console.py::test_a_bad_release_is_followed_from_a_kubeconfig_alone"
)
ROLES: Final = By(
    f"{SYSTEM}/test_rollout_good.py::test_traffic_moves_by_the_planned_weights_and_back"
)
GRAMMAR: Final = By(
    "tests/unit/repository/test_pages.py::test_pages_have_readers_type_options_that_there_are"
)
ALERTS: Final = By("tests/unit/notify/test_alert_docs.py::test_the_manifests_are_accepted")
IGNORED: Final = By(
    "tests/scenarios/test_articles.py::test_what_gitops_tools_are_told_to_ignore_is_what_changes"
)

PLACES: Final[Mapping[str, Place | tuple[Place, ...]]] = {
    "CONTRIBUTING.md": Here.MADE,
    "docs/alerts.md": (
        GRAMMAR,
        ALERTS,
        ALERTS,
        By("tests/unit/notify/test_alert_docs.py::test_the_payload_of_a_webhook_has_these_keys"),
    ),
    "docs/cli.md": (
        By("tests/unit/console/test_commands.py::test_the_commands_of_the_page_are_run"),
        By(
            "tests/unit/console/test_completion.py"
            "::test_bash_completes_with_the_script_that_it_is_given"
        ),
        By("tests/unit/console/test_completion.py::test_each_shell_has_its_script"),
    ),
    "docs/decisions/README.md": Left("the form of a page"),
    "docs/getting-started.md": (
        Here.TYPED,
        STARTED,
        STARTED,
        STARTED,
        Left("a namespace is gone when a controller has emptied it"),
    ),
    "docs/gitops.md": (
        IGNORED,
        By("tests/contract/test_gitops.py::test_flux_waits_for_a_rollout_and_fails_with_it"),
        IGNORED,
        By("tests/contract/test_gitops.py::test_argo_cd_takes_a_canary_at_a_gate_for_suspended"),
    ),
    "docs/loadtester.md": (
        Here.TYPED,
        Here.TYPED,
        By(
            "tests/unit/loadtester/test_commands.py"
            "::test_the_commands_of_the_page_are_run_without_a_shell"
        ),
    ),
    "docs/metrics.md": Here.READ,
    "docs/operations.md": (
        By("tests/scenarios/test_overload.py::test_lateness_is_logged_once_a_minute_and_only_then"),
        FLOWER,
        Here.TYPED,
        FLOWER,
    ),
    "docs/phases.md": By(
        "tests/unit/analysis/test_diagram.py::test_the_page_is_what_the_tables_say_now"
    ),
    "docs/running.md": (ROLES, CONSOLE),
    "docs/troubleshooting.md": STARTED,
    "docs/tutorial.md": WALKED,
    "docs/upgrade.md": Here.TYPED,
    # After what others have installed by helm, definitions included, and upgraded.
    "README.md": (
        By("tests/unit/console/test_rendering.py::test_the_readme_shows_a_tree_as_it_is"),
        Here.MADE,
        Here.TYPED,
        Here.MADE,
    ),
    "docs/install.md": (
        *(Here.TYPED, Here.TYPED, Here.TYPED),
        *(Here.RENDERED, Here.RENDERED),
        Here.TYPED,
    ),
}


def placed() -> Iterator[tuple[Fence, Place]]:
    """Each block with its place."""
    for page, place in PLACES.items():
        blocks = fences.of(page)
        each = place if isinstance(place, tuple) else (place,) * len(blocks)
        yield from zip(blocks, each, strict=False)  # a test says where they differ


def blocks(place: Here, page: str | None = None) -> list[Fence]:
    """The blocks of one place; of one page, or of all."""
    return [fence for fence, here in placed() if here is place and page in (None, fence.page)]
