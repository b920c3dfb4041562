"""Charts as SVG files that are the same, byte for byte, when their figures are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from studies.errors import CannotRun

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
except ImportError:
    matplotlib = None

_STYLE = {"svg.hashsalt": "cpss", "svg.fonttype": "none", "font.size": 9,
          "axes.spines.top": False, "axes.spines.right": False}
_COLOURS = "tab20"


def demand_matplotlib() -> None:
    """To be called before anything is measured."""
    if matplotlib is None:
        raise CannotRun("the Python package matplotlib is missing: run scripts/setup study")


def _save(figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def lines(path: Path, title: str, x_label: str, y_label: str,
          series: Mapping[str, Sequence[tuple[float, float]]], log_x: bool = False,
          log_y: bool = False) -> None:
    """A line for each series of (x, y), with a tick for each x."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(7, 4.5))
        colours = pyplot.get_cmap(_COLOURS)
        for i, (label, points) in enumerate(series.items()):
            xs, ys = zip(*sorted(points))
            axes.plot(xs, ys, marker="o", label=label, color=colours(i % 20))
        axes.set(title=title, xlabel=x_label, ylabel=y_label)
        if log_x:
            axes.set_xscale("log", base=2)
        ticks = sorted({x for points in series.values() for x, _ in points})
        axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
        axes.minorticks_off()
        if log_y:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        _save(figure, path)


def bars(path: Path, title: str, x_label: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """A horizontal bar for each row, stacked of its parts; the first row on top."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(8, 1.5 + 0.2 * len(rows)))
        parts = list(dict.fromkeys(part for row in rows.values() for part in row))
        colours = pyplot.get_cmap(_COLOURS)
        left = [0.0] * len(rows)
        for i, part in enumerate(parts):
            widths = [row.get(part, 0.0) for row in rows.values()]
            axes.barh(range(len(rows)), widths, left=left, label=part, color=colours(i % 20))
            left = [a + b for a, b in zip(left, widths)]
        axes.set(title=title, xlabel=x_label)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        if len(parts) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        _save(figure, path)
