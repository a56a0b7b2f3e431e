"""The dashboards in deploy/grafana: `python -m exporter.dashboards` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from exporter import canary_view, fleet_view, grafana
from exporter.grafana import Dashboard

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "grafana"

ALL: Final = {"canary": canary_view.CANARY, "fleet": fleet_view.FLEET}
"""By the name of the file."""


def text(dashboard: Dashboard) -> str:
    """The file."""
    return json.dumps(grafana.as_json(dashboard), indent=1) + "\n"


if __name__ == "__main__":
    for name, dashboard in ALL.items():
        (FOLDER / f"{name}.json").write_text(text(dashboard), "utf-8")
