"""The walk-through of docs/tutorial.md, typed as it stands, shows what the page says it shows."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests import fences
from tests.fences import Fence
from tests.services import presence, typist

PAGE: Final = "docs/tutorial.md"
PORTS: Final = ("9090", "9000", "9001")
"""Those of the page; the test takes free ones."""

LONGEST_SECONDS: Final = 240


def on_free_ports(page: list[Fence]) -> list[Fence]:
    """The page with ports that nobody else has."""
    with ExitStack() as held:
        free = {
            port: str(held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1])
            for port in PORTS
        }
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
