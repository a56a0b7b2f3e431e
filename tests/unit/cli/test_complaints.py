"""What commands say on stderr: whole for programs, between words for people."""

import os
import pty
import sys
import termios

import pytest

from cli import complaints

LONG = (
    "shop/podinfo is not promoted: Failed: Canary analysis failed, Deployment scaled to zero. "
    "Halt podinfo.shop advancement success rate 87.73% < 99%; `coalmine why shop/podinfo` says more"
)


@pytest.mark.parametrize(("columns", "lines"), [(80, 3), (40, 6), (0, 1), (400, 1)])
def test_on_a_terminal_it_breaks_between_words(
    columns: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not say how wide it is breaks lines itself."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, columns))
    with os.fdopen(leader, "rb") as terminal, os.fdopen(follower, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        complaints.write(LONG)
        stderr.flush()
        shown = os.read(terminal.fileno(), 4096).decode().splitlines()
    assert " ".join(shown) == f"coalmine: {LONG}"
    assert len(shown) == lines
    assert not columns or max(map(len, shown)) <= columns


def test_elsewhere_it_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read lines."""
    complaints.write(LONG)
    assert capsys.readouterr().err == f"coalmine: {LONG}\n"
