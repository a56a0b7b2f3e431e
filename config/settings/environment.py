"""The environment of this process: the one place that reads it, for `main` to pass down."""

from __future__ import annotations

import os


def current() -> dict[str, str]:
    """The variables as they are now, in a mapping of the caller's own."""
    return dict(os.environ)
