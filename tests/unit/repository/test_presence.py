"""A missing service skips locally and fails where services are required.

Left out: services that are here; tests/system/test_services.py starts them.
"""

from pathlib import Path

import pytest

from tests.services import presence


def test_a_missing_service_skips_with_the_command_that_enables_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a developer's machine nothing more is needed than Python."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.delenv("COALMINE_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make control-plane"):
        presence.require("control-plane")


def test_a_missing_service_fails_where_services_are_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In CI a test that did not run is a failure, not a skip."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("COALMINE_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install prometheus"):
        presence.require("prometheus")


def test_kubebuilder_assets_win_over_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The field's convention is followed: where it is set, nothing else is looked at."""
    for name in presence.CONTROL_PLANE_BINARIES:
        (tmp_path / name).touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert presence.control_plane_binaries() == tmp_path


def test_the_cache_is_named_after_the_pinned_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new version in go.mod is a new folder: an old build is never taken for it."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("COALMINE_CONTROL_PLANE_CACHE", str(tmp_path))
    folder = tmp_path / "v1.36.3"
    folder.mkdir()
    for name in presence.CONTROL_PLANE_BINARIES:
        (folder / name).touch()
    assert presence.control_plane_binaries() == folder
