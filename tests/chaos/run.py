"""`make chaos`: the long form, with its report on standard output or in docs/reliability.md."""

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.chaos import ordeal
from tests.services import control_plane, presence

PAGE: Final = presence.REPOSITORY / "docs" / "reliability.md"
BEGINNING: Final = "<!-- Written by `make chaos ARGS=--write`; do not edit below. -->\n"


def main() -> int:
    """The exit code: 1 with violations."""
    asked = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="coalmine-chaos-"))
    with control_plane.running(folder) as plane:
        plane.apply_file(control_plane.ISTIO_CRDS)
        plane.apply_file(control_plane.COALMINE_CRDS)
        report = ordeal.run(plane, folder, count=asked.rollouts, seed=asked.seed)
    text = ordeal.text(report)
    sys.stdout.write(text)
    if report.violations:
        sys.stdout.write("\n".join([*report.stories, f"The logs are in {folder}.", ""]))
    else:
        shutil.rmtree(folder)
    if asked.write:
        head, mark, _ = PAGE.read_text("utf-8").partition(BEGINNING)
        PAGE.write_text(f"{head}{mark}\n{text}", "utf-8")
    return 1 if report.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rollouts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--write", action="store_true", help=f"put the report into {PAGE.name}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
