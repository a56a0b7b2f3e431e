"""The walk-through of docs/tutorial.md, typed as it stands, shows what the page says it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests import fences
from tests.fences import Fence
from tests.services import presence, processes, typist

PAGE: Final = "docs/tutorial.md"
PORTS: Final = ("9090", "9000", "9001")
"""Those of the page; the test takes free ones."""

LONGEST_SECONDS: Final = 240


def on_free_ports(page: list[Fence]) -> list[Fence]:
    """The page with ports that nobody else has."""
    free = dict(zip(PORTS, map(str, processes.free_ports(len(PORTS))), strict=True))
    word = re.compile(rf"\b({'|'.join(PORTS)})\b")
    return [
        replace(fence, text=word.sub(lambda match: free[match[0]], fence.text)) for fence in page
    ]


@pytest.mark.timeout(LONGEST_SECONDS + 30)
def test_the_walk_through_shows_what_it_says(tmp_path: Path) -> None:
    """Each command ends well and prints the text below it, `...` standing for anything."""
    presence.require("valkey")
    presence.require("kubectl")
    wanted = list(typist.steps(on_free_ports(fences.of(PAGE))))
    assert sum(step.output is not None for step in wanted) >= 5
    typist.type_out(wanted, tmp_path, seconds=LONGEST_SECONDS)
