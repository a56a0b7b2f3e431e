"""The environment of this process: the one place that reads it, for `main` to pass down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

KUBECTLS: Final = "KUBECONFIG"
OURS: Final = "COALMINE_KUBECONFIG"


def current() -> dict[str, str]:
    """The variables as they are now, in a mapping of the caller's own."""
    return with_kubectls(os.environ)


def with_kubectls(variables: Mapping[str, str]) -> dict[str, str]:
    """`variables`, in which the kubeconfig that kubectl goes by is ours, if ours names none."""
    return {OURS: variables.get(KUBECTLS, ""), **variables}
