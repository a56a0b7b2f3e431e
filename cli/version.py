"""Which release this is."""

from __future__ import annotations

from importlib import metadata


def here() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("coalmine")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"
