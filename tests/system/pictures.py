"""Pictures of the dashboards as a real run fills them, for docs/metrics.md.

`python -m tests.system.pictures docs/pictures` makes a run (about a minute), asks its Prometheus
for each query of `deploy/grafana`, and draws the panels where Grafana would put them. Grafana
itself is not needed; the colours are not its own.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, Final

import matplotlib as mpl
from matplotlib import dates, ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from exporter import panels
from tests.services.presence import REPOSITORY
from tests.system import recorded
from tests.system.recorded import Run
from tests.unit.exporter import expressions

STEP_SECONDS: Final = 1.0
WINDOW: Final = "10s"
UNIT_INCHES: Final = (0.62, 0.36)
"""Width and height of one unit of Grafana's grid, which is 24 wide."""

SUFFIXES: Final = {"percent": "%", "ops": "/s", "s": " s", "Bps": " B/s", "bytes": " B"}
MOST_NAMES: Final = 8
"""Series that are named in a panel."""

Panel = Mapping[str, Any]


def main(folder: Path) -> None:
    """Writes a picture for each dashboard into `folder`."""
    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as scratch, recorded.run(Path(scratch)) as run:
        for file in sorted((REPOSITORY / "deploy" / "grafana").glob("*.json")):
            dashboard = json.loads(file.read_text("utf-8"))
            drawn = draw(dashboard, run)
            drawn.savefig(folder / f"dashboard-{file.stem}.png", dpi=64)


def draw(dashboard: Mapping[str, Any], run: Run) -> Figure:
    """The panels of `dashboard` over the `run`."""
    panels = dashboard["panels"]
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    figure = Figure(figsize=(24 * UNIT_INCHES[0], rows * UNIT_INCHES[1]), facecolor="white")
    for panel in panels:
        place = panel["gridPos"]
        left, top = place["x"] / 24, 1 - place["y"] / rows
        if panel["type"] == "row":
            title = _filled(panel["title"])
            figure.text(left + 0.004, top - 0.4 / rows, title, weight="bold", size=12)
            continue
        box = (
            left + 0.035,
            top - (place["h"] - 1.2) / rows,
            place["w"] / 24 - 0.05,
            (place["h"] - 2.4) / rows,
        )
        axes = figure.add_axes(box)
        axes.set_title(_filled(panel["title"]), size=9, loc="left")
        series = list(_series(panel, run))
        _stat(axes, panel, series) if panel["type"] == "stat" else _lines(axes, panel, series)
    return figure


def _series(panel: Panel, run: Run) -> Iterator[tuple[str, Sequence[tuple[float, float]]]]:
    """Name and samples of each series of the panel."""
    for target in panel["targets"]:
        expr = _filled(target["expr"].replace(panels.WINDOW, WINDOW))
        for each in run.prometheus.query_range(expr, run.began, run.ended, STEP_SECONDS):
            samples = [(float(at), float(value)) for at, value in each["values"]]
            yield _named(target["legendFormat"], each["metric"]), samples


def _filled(text: str) -> str:
    return Template(text).safe_substitute(expressions.CHOSEN)


def _named(legend: str, labels: Mapping[str, str]) -> str:
    if legend == "__auto":
        return ", ".join(labels.values())
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend


def _stat(axes: Axes, panel: Panel, series: Sequence[tuple[str, Any]]) -> None:
    """The last value, in the words of the panel's mappings."""
    defaults = panel["fieldConfig"]["defaults"]
    value = series[0][1][-1][1] if series else math.nan
    words = {
        key: said["text"]
        for each in defaults.get("mappings", ())
        for key, said in each["options"].items()
    }
    text = words.get(f"{value:g}") or _shown(value, defaults.get("unit", ""))
    axes.axis("off")
    axes.text(0.5, 0.45, text, ha="center", va="center", size=22, color="#1a7f37")


def _shown(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.1%}"
    return f"{value:.4g}{SUFFIXES.get(unit, '')}"


def _lines(
    axes: Axes, panel: Panel, series: Sequence[tuple[str, Sequence[tuple[float, float]]]]
) -> None:
    unit = panel["fieldConfig"]["defaults"].get("unit", "")
    for name, samples in series:
        at = [datetime.fromtimestamp(moment, UTC) for moment, _ in samples]
        axes.plot(at, [value for _, value in samples], label=name, linewidth=1.2)  # type: ignore[arg-type]  # dates are plotted
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _shown(value, unit)))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]  # its own are incomplete
    axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    if 1 <= len(series) <= MOST_NAMES:
        axes.legend(fontsize=6, loc="upper left", framealpha=0.6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
