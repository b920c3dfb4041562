"""Charts of the studies. Each answers one question: its title is the finding, the line below says
what is drawn. A series has the same colour, marker and line in every chart, and can be told from
the others without its colour. SVG files are the same, byte for byte, when their figures are."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studies.errors import CannotRun

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot, ticker
    from matplotlib.lines import Line2D
except ImportError:
    matplotlib = None

_SETTINGS = {"svg.hashsalt": "cpss", "svg.fonttype": "none", "font.size": 9,
             "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
             "errorbar.capsize": 2}

# The palette of Okabe and Ito (2008), without its yellow, which is too pale for lines on white.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
GREY = "#666666"


@dataclass(frozen=True)
class Style:
    colour: str
    marker: str
    line: str = "-"


STYLES = {
    "1 CPU": Style(BLUE, "o"),
    "2 CPUs": Style(VERMILLION, "s", "--"),
    "4 CPUs": Style(GREEN, "^", "-."),
    "8 CPUs": Style(PURPLE, "D", ":"),
    # How the rows of the matrix are run.
    "queues in shared memory": Style(GREEN, "D"),
    "real-time receive": Style(PURPLE, "^"),
    "both": Style(BLACK, "X"),
    # The servers of the bench.
    "bare loop": Style(BLACK, "s"),
    "cpssd": Style(BLUE, "o"),
    "cpssd, set otherwise": Style(ORANGE, "D"),
    # Services.
    "echo": Style(BLUE, "o"),
    "work-100": Style(VERMILLION, "s", "--"),
    "sleeping": Style(GREEN, "^", "-."),
    # Socket buffers.
    "64KiB": Style(VERMILLION, "s", "--"),
    "256KiB": Style(BLUE, "D", "-."),
    "1MiB": Style(GREEN, "^", ":"),
    "4MiB": Style(BLACK, "o"),
    "16MiB": Style(PURPLE, "v", "--"),
}


def style_of(name: str) -> Style:
    """Series that no study has by itself, such as other numbers of CPUs, are grey stars."""
    return STYLES.get(name, Style(GREY, "*", ":"))


# Lines that figures are compared with.
_MARKS = {"asked": (VERMILLION, "--"), "beyond": (GREEN, ":"),
          "asked, to the loop with offload": (PURPLE, "-.")}
_OTHER_MARK = (GREY, "--")

_WIDTH = 8.4  # inches, of all charts
_CHARACTER = 0.068  # inches, of a row's label


def demand_matplotlib() -> None:
    """To be called before anything is measured."""
    if matplotlib is None:
        raise CannotRun("the Python package matplotlib is missing: run scripts/setup study")


def grouped(value: float, decimals: int = 0) -> str:
    """1234.5 as 1,234; small numbers as they are."""
    return f"{value:,.{decimals}f}" if abs(value) >= 1000 or decimals else f"{value:g}"


@dataclass(frozen=True)
class Dot:
    """A value, with least and most where there are repeats. `bound`: the value may be larger, for
    something else was the limit; its marker is open."""

    value: float
    least: float | None = None
    most: float | None = None
    bound: bool = False


@dataclass(frozen=True)
class Panel:
    """Dots by series and row; `marks`: lines at values, by what they are."""

    title: str
    series: Mapping[str, Mapping[str, Dot]]
    marks: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> list[str]:
        return list(dict.fromkeys(row for dots in self.series.values() for row in dots))

    def series_of(self, row: str) -> list[str]:
        return [name for name, dots in self.series.items() if row in dots]


@dataclass(frozen=True)
class Dots:
    """A line for each row, with a dot for each series. Panels stand side by side where they have
    the same rows, else one below the other; all of them have one scale."""

    title: str
    about: str
    x_label: str
    panels: Sequence[Panel]
    log: bool = False
    from_zero: bool = True  # of a scale that is not logarithmic
    bound: str = ""  # what an open marker says
    text: Callable[[float], str] | None = None  # at each dot
    rows: Sequence[str] = ()  # in this order, in all panels

    def write(self, path: Path) -> None:
        with matplotlib.rc_context(_SETTINGS):
            side_by_side = bool(self.rows)
            rows = [list(self.rows) or panel.rows for panel in self.panels]
            height = 0.3 if any(len(panel.series_of(row)) > 1 for panel in self.panels
                                for row in panel.rows) else 0.22
            heights = [height * len(some) for some in rows]
            body = max(heights) if side_by_side else sum(heights) + 0.38 * (len(heights) - 1)
            first, top = None, 0.25 if any(panel.title for panel in self.panels) else 0.05
            sheet = _Sheet(self.title, self.about, top + body, self._legend())
            label = 0.15 + _CHARACTER * max(len(row) for some in rows for row in some)
            width = (_WIDTH - label - 0.4) / len(rows) if side_by_side else _WIDTH - label - 0.4
            for number, panel in enumerate(self.panels):
                left = label + (number * width if side_by_side else 0)
                axes = sheet.axes(left, top, width - (0.15 if side_by_side else 0),
                                  heights[number], sharex=first)
                first = first or axes
                self._draw(axes, panel, rows[number])
                if side_by_side and number:
                    axes.tick_params(labelleft=False)
                if not side_by_side:
                    last = number == len(self.panels) - 1
                    axes.tick_params(labelbottom=last)
                    top += heights[number] + 0.38
            self._scale(first, width)
            scale = ", logarithmic" if self.log else ""
            sheet.x_label(self.x_label + scale, label + (_WIDTH - label) / 2)
            sheet.save(path)

    def _draw(self, axes, panel: Panel, rows: Sequence[str]) -> None:
        for place, row in enumerate(rows):
            names = panel.series_of(row)
            for number, name in enumerate(names):
                style, dot = style_of(name), panel.series[name][row]
                y = place + 0.5 * (number - (len(names) - 1) / 2) / len(names)
                if dot.least is not None and dot.most is not None:
                    axes.plot([dot.least, dot.most], [y, y], color=style.colour, linewidth=1)
                axes.plot([dot.value], [y], style.marker, color=style.colour, markersize=6,
                          markerfacecolor="white" if dot.bound else style.colour, clip_on=False)
                if self.text:
                    axes.annotate(self.text(dot.value), (dot.most or dot.value, y),
                                  (7, 0), textcoords="offset points", va="center", fontsize=7.5,
                                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        for what, value in panel.marks.items():
            colour, line = _MARKS.get(what, _OTHER_MARK)
            axes.axvline(value, color=colour, linestyle=line, linewidth=1.2)
        axes.set_title(panel.title, loc="left", fontsize=9)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)

    def _scale(self, axes, width: float) -> None:
        if self.log:
            axes.set_xscale("log")
            least, most = axes.get_xlim()
            subs = (1, 2, 5) if most < 300 * least else (1,)
            axes.xaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=int(2.2 * width)))
            axes.xaxis.set_minor_formatter(ticker.NullFormatter())
            if self.text:  # room for that of the last dot
                axes.set_xlim(right=most * (most / least) ** (0.45 / width))
        elif self.from_zero:
            axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: grouped(x)))

    def _legend(self) -> list:
        names = dict.fromkeys(name for panel in self.panels for name in panel.series)
        entries = [_entry(name, style_of(name)) for name in names] if len(names) > 1 else []
        if self.bound and any(dot.bound for panel in self.panels
                              for dots in panel.series.values() for dot in dots.values()):
            entries.append(Line2D([], [], color=GREY, marker="o", markerfacecolor="white",
                                  linestyle="", label=f"open: {self.bound}"))
        for what in dict.fromkeys(what for panel in self.panels for what in panel.marks):
            colour, line = _MARKS.get(what, _OTHER_MARK)
            entries.append(Line2D([], [], color=colour, linestyle=line, linewidth=1.2, label=what))
        return entries


@dataclass(frozen=True)
class Lines:
    """A line for each series of (x, y), named at its end, with a tick for each x."""

    title: str
    about: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    log_x: bool = False

    def write(self, path: Path) -> None:
        with matplotlib.rc_context(_SETTINGS):
            sheet = _Sheet(self.title, self.about, 3.5, [])
            axes = sheet.axes(0.75, 0.1, _WIDTH - 2.1, 3.4)
            for name, points in self.series.items():
                xs, ys = zip(*sorted(points))
                style = style_of(name)
                axes.plot(xs, ys, marker=style.marker, linestyle=style.line, color=style.colour,
                          clip_on=False)
            axes.set(ylabel=self.y_label)
            if self.log_x:
                axes.set_xscale("log", base=2)
            ticks = sorted({x for points in self.series.values() for x, _ in points})
            axes.set_xticks(ticks, [grouped(x) for x in ticks])
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: grouped(y)))
            axes.grid(axis="y", color="#dddddd", linewidth=0.6)
            self._name_ends(axes)
            sheet.x_label(self.x_label, 0.75 + (_WIDTH - 2.1) / 2)
            sheet.save(path)

    def _name_ends(self, axes) -> None:
        """Names that would lie on each other move apart."""
        top = axes.get_ylim()[1]
        right = max(x for points in self.series.values() for x, _ in points)
        apart = 0.055 * top
        free = apart / 2  # from here on, above the axis
        for name, y in sorted(((name, max(points)[1]) for name, points in self.series.items()),
                              key=lambda end: end[1]):
            y = max(y, free)
            axes.annotate(name, (right, y), (8, 0), textcoords="offset points", va="center",
                          color=style_of(name).colour, fontweight="bold", annotation_clip=False)
            free = y + apart


@dataclass(frozen=True)
class Bars:
    """A horizontal bar for each row, the first on top, with what is written at its end."""

    title: str
    about: str
    x_label: str
    rows: Mapping[str, tuple[float, str]]
    marks: Mapping[str, float] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        with matplotlib.rc_context(_SETTINGS):
            height = 0.42 * len(self.rows)
            entries = [Line2D([], [], color=_OTHER_MARK[0], linestyle=_OTHER_MARK[1], label=what)
                       for what in self.marks]
            sheet = _Sheet(self.title, self.about, height, entries)
            label = 0.15 + _CHARACTER * max(map(len, self.rows))
            axes = sheet.axes(label, 0, _WIDTH - label - 1.2, height)
            values = [value for value, _ in self.rows.values()]
            axes.barh(range(len(values)), values, height=0.6, color=SKY, edgecolor=BLUE,
                      hatch="//")
            for number, (value, text) in enumerate(self.rows.values()):
                axes.annotate(text, (value, number), (5, 0), textcoords="offset points",
                              va="center", annotation_clip=False,
                              bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
            for value in self.marks.values():
                axes.axvline(value, color=_OTHER_MARK[0], linestyle=_OTHER_MARK[1], linewidth=1.2)
            axes.set_yticks(range(len(values)), list(self.rows))
            axes.set_ylim(len(values) - 0.5, -0.5)
            axes.tick_params(axis="y", length=0)
            axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: grouped(x)))
            sheet.x_label(self.x_label, label + (_WIDTH - label - 1.2) / 2)
            sheet.save(path)


Chart = Dots | Lines | Bars


def _entry(name: str, style: Style):
    return Line2D([], [], color=style.colour, marker=style.marker, linestyle="", label=name)


class _Sheet:
    """A figure with title, the line below it and a legend; room for axes below these. Places are in
    inches from the left and from the top of that room."""

    def __init__(self, title: str, about: str, body: float, legend: Sequence):
        titles, abouts = textwrap.wrap(title, 76), textwrap.wrap(about, 122)
        self._head = 0.22 * len(titles) + 0.17 * len(abouts) + (0.3 if legend else 0.08)
        self._height = self._head + body + 0.6
        self._bottom = self._head + body + 0.27
        self._figure = pyplot.figure(figsize=(_WIDTH, self._height))
        self._figure.text(0, 1, "\n".join(titles), va="top", fontsize=12, fontweight="bold",
                          linespacing=1.25)
        self._figure.text(0, self._y(0.22 * len(titles) + 0.03), "\n".join(abouts), va="top",
                          fontsize=9, color="#444444", linespacing=1.25)
        if legend:
            self._figure.legend(handles=legend, loc="upper left", ncol=len(legend), frameon=False,
                                bbox_to_anchor=(0, self._y(self._head - 0.27)), borderaxespad=0,
                                borderpad=0.2, handletextpad=0.5, columnspacing=1.6, fontsize=9)

    def axes(self, left: float, top: float, width: float, height: float, sharex=None):
        return self._figure.add_axes((left / _WIDTH, self._y(self._head + top + height),
                                      width / _WIDTH, height / self._height), sharex=sharex)

    def x_label(self, text: str, centre: float) -> None:
        self._figure.text(centre / _WIDTH, self._y(self._bottom), text, ha="center", va="top")

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
        pyplot.close(self._figure)

    def _y(self, from_top: float) -> float:
        return 1 - from_top / self._height
