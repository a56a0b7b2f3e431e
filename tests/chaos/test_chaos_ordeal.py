"""The short form of `make chaos`: some rollouts under all strikes, judged by the API server."""

from pathlib import Path

from tests.chaos import ordeal
from tests.services.cluster import ControlPlane

SEED = 7
STRUCK = {
    "killed",
    "replaced",
    "frozen",
    "kube-apiserver frozen",
    "valkey frozen",
    "Valkey emptied",
    "Valkey restarted",
    "API server cut off",
    "refused, late or cut",
    "metrics server",
    "duplicated",
    "delayed",
}
"""Every kind of strike, as the report calls it."""


def test_whatever_is_struck_the_good_are_promoted_and_the_bad_rolled_back(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """No violation by the API server's own record; see docs/reliability.md."""
    report = ordeal.run(control_plane, tmp_path, count=20, seed=SEED)
    assert not report.violations, ordeal.text(report)
    assert {name for name in STRUCK if any(name in struck for struck in report.strikes)} == STRUCK
    assert report.writes >= 3 * report.good
