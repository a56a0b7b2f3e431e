"""The scripts that build what tests need, with a `go` that has fetched nothing yet."""

import os
import subprocess
from pathlib import Path
from typing import Final

from tests.fences import ROOT

GO: Final = r"""#!/bin/sh
fetched=$(dirname "$0")/fetched
case "$1 $2" in
  "build "*) while [ "$1" != -o ]; do shift; done; echo helm > "$2" ;;
  "mod download")
    mkdir -p "$fetched/example/prometheus-operator-crd"
    for kind in podmonitors servicemonitors prometheusrules; do
      echo "$kind" > "$fetched/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml"
    done ;;
  "list "*) ! [ -d "$fetched" ] || echo "$fetched" ;;
esac
"""
"""Prints no folder for a module that is not there, as the real one does."""


def test_helm_is_built_on_a_machine_that_has_no_module_yet(tmp_path: Path) -> None:
    """With the definitions of a module of which nothing is built."""
    go = tmp_path / "go"
    go.write_text(GO, "utf-8")
    go.chmod(0o755)
    cache = tmp_path / "cache"
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "COALMINE_HELM_CACHE": str(cache)}
    done = subprocess.run(
        [ROOT / "deploy/helm/build.sh"], env=environ, capture_output=True, text=True, check=True
    )
    built = Path(done.stdout.strip())
    assert built.parent == cache
    definitions = (built / "operator.yaml").read_text("utf-8").split()
    assert definitions == ["podmonitors", "servicemonitors", "prometheusrules"]
