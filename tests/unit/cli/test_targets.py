"""Where a process says that its metrics are."""

import json
from pathlib import Path

import pytest

from cli import exits, targets


def test_a_process_says_where_it_is_for_as_long_as_it_is_there(tmp_path: Path) -> None:
    """In the form that Prometheus reads, by a name of its own."""
    folder = tmp_path / "targets"
    with targets.told(str(folder), "beat-1", 4711), targets.told(str(folder), "worker-1", 4712):
        said = {file.name: json.loads(file.read_text("utf-8")) for file in folder.iterdir()}
    assert said == {
        "beat-1.json": [{"targets": ["127.0.0.1:4711"], "labels": {"process": "beat-1"}}],
        "worker-1.json": [{"targets": ["127.0.0.1:4712"], "labels": {"process": "worker-1"}}],
    }
    assert [*folder.iterdir()] == []


def test_nobody_asks_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default."""
    monkeypatch.chdir(tmp_path)
    with targets.told(None, "beat-1", 4711):
        assert [*tmp_path.iterdir()] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """At the start, and not as a traceback."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(exits.Unusable, match=r"--targets-dir: .*file"),
        targets.told(str(tmp_path / "file"), "beat-1", 4711),
    ):
        pass
