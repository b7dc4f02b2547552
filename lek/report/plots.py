"""Plots of a run: differences from the baseline, and distributions of scores.

matplotlib is imported on use and needs no display. `inline_svg` is for HTML pages, `write` for
papers. Names come from the files of users: they are escaped, and never read as mathematics.
"""

import io
import itertools
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lek.benchmarks.benchmark import Measure, Scale
from lek.errors import BadInput, printable
from lek.report.differences import (
    Difference,
    baseline_of,
    differences,
    metrics_by_measure,
    scores_of,
)
from lek.runs.run import Run
from lek.stats.intervals import mean

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# contrast of at least 3:1 on white and on #16181d: four colours of Okabe and Ito, two darker ones
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a97f00", "#4a96c4")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")  # one more, so that pairs repeat after 42 subjects
_GREY = "#7f7f7f"
_BLACK = "#000000"  # `currentColor` in a page
_SMALL = 8  # points
_LONGEST_NAME = 32
_LONGEST_TITLE = 24
_DPI = 200
_MOST_PIXELS = 2**16 - 1  # of a PNG, in each direction

# inches
_PAD = 0.1
_GAP = 0.12
_ROW = 0.19


@dataclass(frozen=True)
class Plot:
    """A figure of a run.

    ``name``: that of its files. ``description``: what the figure shows, as text.
    """

    name: str
    title: str
    description: str
    figure: "Figure"


class _Style(NamedTuple):
    colour: str
    marker: str


_BASELINE = _Style(_GREY, "d")


def _styles(run: Run) -> dict[str, _Style]:
    """The colour and marker of each subject, in the order of the run."""
    baseline = baseline_of(run)
    styles = map(_Style, itertools.cycle(_COLOURS), itertools.cycle(_MARKERS))
    subjects = dict.fromkeys(m.subject for m in run.metrics)
    return {s: _BASELINE if s == baseline else next(styles) for s in subjects}


@contextmanager
def _settings(name: str) -> Iterator[None]:
    """Settings of matplotlib for the plot ``name``, whatever those of the user are."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "axes.edgecolor": _GREY,
                "axes.facecolor": "none",
                "axes.linewidth": 0.8,
                "figure.facecolor": "none",
                "font.size": 9,
                "svg.fonttype": "none",
                "svg.hashsalt": name,
                "xtick.color": _GREY,
                "xtick.labelcolor": _BLACK,
                "xtick.labelsize": _SMALL,
                "xtick.major.size": 3,
            }
        )
        # browsers have fonts for names that matplotlib's own font cannot show
        warnings.filterwarnings("ignore", r"Glyph .* missing from")
        yield


_INTERVALS_WIDTH = 3.5
_INTERVALS_HEAD = 0.3
_INTERVALS_AXIS = 0.45
_INDENT = 0.14


def draw(run: Run, found: Sequence[Difference]) -> list[Plot]:
    """All plots of ``run``, whose differences are ``found``."""
    return [plot for plot in (forest(run, found), distributions(run)) if plot is not None]


def forest(run: Run, found: Sequence[Difference] | None = None) -> Plot | None:
    """A forest plot of the differences from the baseline, with a row for each.

    The axis is in per cent of the measure's scale, the text of a row in the measure's unit. Margins
    of gates are marked. Whether answers are degenerate is left out, since it hardly ever differs.
    ``found``: the differences of ``run``, computed here if they are not given. ``None`` if there
    are none.
    """
    every = differences(run) if found is None else found
    shown = [d for d in every if d.measure.source != "degeneration_detector"]
    if not shown:
        return None
    with _settings("forest"):
        figure = _forest_figure(shown, _styles(run))
    baseline = printable(shown[0].baseline)
    return Plot(
        name="forest",
        title=f"Differences from {baseline}",
        description=(
            f"Mean paired difference of each subject from {baseline}, with its 95% interval. "
            f"{'; '.join(map(_describe_difference, shown))}."
        ),
        figure=figure,
    )


def _describe_difference(difference: Difference) -> str:
    """``lek, truthfulqa truthfulness: +1.26 [0.28, 2.24]``, with unit and margins, if any."""
    measure = difference.measure
    names = _names(difference.subject, difference.benchmark, measure)
    text = f"{names}: {_minus(difference.text)} {difference.unit}".rstrip()
    margins = ", ".join(measure.text(m, sign=True, unit=False) for m in difference.margins if m)
    return f"{text} (margin of a gate: {_minus(margins)})" if margins else text


class _Group(NamedTuple):
    """The differences of one measure; ``y``: the place of their heading, from the top."""

    y: float
    differences: list[Difference]

    @property
    def rows(self) -> list[tuple[float, Difference]]:
        return [(self.y + _ROW * (i + 1), d) for i, d in enumerate(self.differences)]

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the rows begin and end."""
        return self.y + _ROW / 2, self.y + _ROW * (len(self.differences) + 0.5)

    @property
    def heading(self) -> str:
        first = self.differences[0]
        unit = f" ({first.unit})" if first.unit else ""
        return f"{_short(first.benchmark)}: {_short(first.measure.name)}{unit}"


def _groups(found: Sequence[Difference]) -> list[_Group]:
    groups: list[_Group] = []
    y = _ROW / 2
    for _, same_measure in itertools.groupby(found, lambda d: (d.benchmark, d.measure.name)):
        groups.append(_Group(y, list(same_measure)))
        y = groups[-1].bounds[1] + _GAP + _ROW / 2
    return groups


def _forest_figure(found: Sequence[Difference], styles: dict[str, _Style]) -> "Figure":
    from matplotlib.figure import Figure

    groups = _groups(found)
    rows = [row for group in groups for row in group.rows]
    length = groups[-1].bounds[1]
    height = _PAD + _INTERVALS_HEAD + length + _INTERVALS_AXIS
    head = height - _PAD - _ROW / 2
    top = height - _PAD - _INTERVALS_HEAD  # of the axes

    figure = Figure()
    headings = [_text(figure, _PAD, top - g.y, g.heading, weight="bold") for g in groups]
    labels = [_text(figure, _PAD + _INDENT, top - y, _short(d.subject)) for y, d in rows]
    left = _PAD + _INDENT + _widest(labels) + _GAP
    right = left + _INTERVALS_WIDTH + _GAP
    numbers = [_text(figure, right, top - y, _minus(d.text)) for y, d in rows]
    numbers.append(_text(figure, right, head, "difference [95% CI]", size=_SMALL))
    width = max(right + _widest(numbers), _PAD + _widest(headings)) + _PAD
    figure.set_size_inches(width, height)

    axes = _axes(figure, left, _INTERVALS_AXIS, _INTERVALS_WIDTH, length)
    axes.set_ylim(length, 0)
    for subject, style in styles.items():
        _draw_intervals(axes, [(y, d) for y, d in rows if d.subject == subject], style)
    _draw_margins(axes, rows, head)
    _draw_grid(axes, [group.bounds for group in groups])
    label = f"difference from {_short(found[0].baseline)}, in % of the scale"
    axes.set_xlabel(label, fontsize=_SMALL, parse_math=False)
    return figure


def _draw_grid(axes: "Axes", bounds: Sequence[tuple[float, float]]) -> None:
    """Draw vertical lines, with a heavier one at 0, that leave out the headings."""
    tops, bottoms = zip(*bounds, strict=True)
    axes.vlines([0] * len(bounds), tops, bottoms, colors=_GREY, linewidth=1, zorder=1)
    axes.margins(x=0.03)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high)
    for tick in axes.get_xticks():
        if tick and low <= tick <= high:
            at = [tick] * len(bounds)
            axes.vlines(at, tops, bottoms, colors=_GREY, alpha=0.25, linewidth=0.6, zorder=0)


def _draw_intervals(axes: "Axes", rows: Sequence[tuple[float, Difference]], style: _Style) -> None:
    ends = [
        (y, _percent(d, d.low), _percent(d, d.high))
        for y, d in rows
        if d.low is not None and d.high is not None
    ]
    if ends:
        y, low, high = zip(*ends, strict=True)
        axes.hlines(y, low, high, colors=style.colour, linewidth=1.5, zorder=2)
    axes.plot(
        [_percent(d, d.value) for _, d in rows],
        [y for y, _ in rows],
        color=style.colour,
        linestyle="none",
        marker=style.marker,
        markersize=5,
        zorder=3,
    )


def _draw_margins(
    axes: "Axes", rows: Sequence[tuple[float, Difference]], legend_height: float
) -> None:
    """Mark the margins, except 0, where there is a line already; explain the mark in a legend."""
    margins = [(_percent(d, margin), y) for y, d in rows for margin in d.margins if margin]
    if not margins:
        return
    x, y = zip(*margins, strict=True)
    marks = axes.plot(
        x,
        y,
        color=_BLACK,
        linestyle="none",
        marker="|",
        markeredgewidth=1.3,
        markersize=11,
        zorder=4,
    )
    figure = axes.figure
    figure.legend(
        marks,
        ["margin of a gate"],
        bbox_to_anchor=(_PAD, legend_height),
        bbox_transform=figure.dpi_scale_trans,
        borderaxespad=0,
        borderpad=0,
        fontsize=_SMALL,
        frameon=False,
        handlelength=0.6,
        handletextpad=0.4,
        loc="center left",
    )


def _percent(difference: Difference, value: float) -> float:
    """``value`` in per cent of the measure's scale."""
    scale = difference.measure.scale
    return 100 * value / (scale.high - scale.low)


_PANEL_WIDTH = 1.45
_PANEL_ROW = 0.42
_PANEL_HEAD = 0.4
_PANEL_AXIS = 0.52
_MEAN_WIDTH = 0.62
_MOST_COLUMNS = 3
_BAR = 0.66  # height of the tallest bar, in rows
_GROUND = 0.74  # of the bars, in rows from the top of a row


class _Panel(NamedTuple):
    """The scores of each subject on a measure, in the order of the run."""

    benchmark: str
    measure: Measure
    scores: dict[str, list[float]]


def distributions(run: Run) -> Plot | None:
    """Histograms of the scores: a panel per measure, in it a row per subject, with the mean.

    Measures that are 0 or 1 per case are left out; ``None`` if there are no others.
    """
    panels = _panels(run)
    if not panels:
        return None
    with _settings("distributions"):
        figure = _distributions_figure(panels, _styles(run))
    scores = [text for panel in panels for text in _describe_scores(panel)]
    return Plot(
        name="distributions",
        title="Distributions of scores",
        description=f"Histograms of the scores of each subject. {'; '.join(scores)}.",
        figure=figure,
    )


def _panels(run: Run) -> list[_Panel]:
    scores = scores_of(run)
    panels: dict[tuple[str, str], _Panel] = {}
    for metric in metrics_by_measure(run):
        benchmark, measure = metric.benchmark, run.measure(metric)
        by_case = scores.get((benchmark, measure.name, metric.subject), {})
        scored = [score for score in by_case.values() if score is not None]
        if scored and not measure.scale.binary:
            panel = panels.setdefault((benchmark, measure.name), _Panel(benchmark, measure, {}))
            panel.scores[metric.subject] = scored
    return list(panels.values())


def _describe_scores(panel: _Panel) -> Iterator[str]:
    """``lek, truthfulqa truthfulness: mean 4.90, quartiles 2.00, 5.00 and 8.00 (n = 50)``."""
    import numpy as np

    show = panel.measure.text
    for subject, scores in panel.scores.items():
        low, middle, high = map(show, np.quantile(scores, (0.25, 0.5, 0.75)))
        yield (
            f"{_names(subject, panel.benchmark, panel.measure)}: mean {show(mean(scores))}, "
            f"quartiles {low}, {middle} and {high} (n = {len(scores)})"
        )


def _distributions_figure(panels: Sequence[_Panel], styles: dict[str, _Style]) -> "Figure":
    from matplotlib.figure import Figure

    subjects = [s for s in styles if any(s in panel.scores for panel in panels)]
    columns = min(_MOST_COLUMNS, len(panels))
    rows = len(subjects) + 0.2  # with space for the mark of the last mean
    length = rows * _PANEL_ROW
    line = _PANEL_HEAD + length + _PANEL_AXIS
    lines = math.ceil(len(panels) / columns)
    height = _PAD + lines * line + _ROW

    figure = Figure()
    tops = [height - _PAD - n * line - _PANEL_HEAD for n in range(lines)]  # of the axes
    labels = [
        _text(figure, _PAD, top - (i + _GROUND - _BAR / 3) * _PANEL_ROW, _short(subject))
        for top in tops
        for i, subject in enumerate(subjects)
    ]
    left = _PAD + _widest(labels) + _GAP
    key = _text(figure, _PAD, _PAD, "bars: share of cases; marker and number: mean", size=_SMALL)
    pitch = _PANEL_WIDTH + _MEAN_WIDTH
    figure.set_size_inches(max(left + columns * pitch, _widest([key]) + 2 * _PAD), height)

    for i, panel in enumerate(panels):
        x, top = left + i % columns * pitch, tops[i // columns]
        _text(figure, x, top + 0.3, _short(panel.benchmark, _LONGEST_TITLE), size=_SMALL)
        _text(figure, x, top + 0.13, _short(panel.measure.name, _LONGEST_TITLE), weight="bold")
        axes = _axes(figure, x, top - length, _PANEL_WIDTH, length)
        axes.set_ylim(rows, 0)
        _draw_panel(axes, panel, {s: (i + _GROUND, styles[s]) for i, s in enumerate(subjects)})
    return figure


def _draw_panel(axes: "Axes", panel: _Panel, rows: dict[str, tuple[float, _Style]]) -> None:
    """Draw histograms with their means; ``rows``: where the bars of each subject stand."""
    scale = panel.measure.scale
    shares = {subject: _shares(scores, scale) for subject, scores in panel.scores.items()}
    tallest = max(map(max, shares.values()))
    for subject in shares:
        ground, style = rows[subject]
        tops = [ground - _BAR * share / tallest for share in shares[subject]]
        _draw_bars(axes, _edges(scale), tops, ground, style.colour)
        centre = mean(panel.scores[subject])
        axes.plot(
            [centre],
            [ground + 0.15],
            clip_on=False,
            color=style.colour,
            marker=style.marker,
            markersize=4.5,
        )
        axes.text(
            1.04,
            ground - _BAR / 3,
            panel.measure.text(centre),
            fontsize=_SMALL,
            transform=axes.get_yaxis_transform(),
            va="center_baseline",
        )
    _label_scale(axes, scale)
    axes.set_xlabel(f"tallest bar: {tallest:.0%} of cases", fontsize=_SMALL, loc="left")


def _draw_bars(
    axes: "Axes", edges: Sequence[float], tops: Sequence[float], ground: float, colour: str
) -> None:
    gap = 0.08 * (edges[1] - edges[0])
    sides = [x for low, high in itertools.pairwise(edges) for x in (low + gap, high - gap)]
    outline = [y for top in tops for y in (top, ground)][:-1]
    axes.stairs(outline, sides, baseline=ground, fill=True, color=colour)
    axes.axhline(ground, color=_GREY, linewidth=0.6)


def _edges(scale: Scale) -> list[float]:
    """The edges of the bins: one bin per whole number on scales of up to 20, else 20 bins."""
    length = scale.high - scale.low
    if not scale.fraction and length <= 20:
        return [scale.low - 0.5 + i for i in range(round(length) + 2)]
    return [scale.low + length * i / 20 for i in range(21)]


def _shares(scores: Sequence[float], scale: Scale) -> list[float]:
    """The share of the ``scores`` in each bin."""
    import numpy as np

    counts, _ = np.histogram(np.clip(scores, scale.low, scale.high), _edges(scale))
    return [float(count) / len(scores) for count in counts]


def _label_scale(axes: "Axes", scale: Scale) -> None:
    edges, length = _edges(scale), scale.high - scale.low
    steps = 2 if scale.fraction else next(n for n in (3, 4, 5, 2, 1) if length % n == 0)
    ticks = [scale.low + length * i / steps for i in range(steps + 1)]
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xticks(ticks, [f"{100 * x:g}%" if scale.fraction else f"{x:g}" for x in ticks])


def _text(
    figure: "Figure", x: float, y: float, text: str, *, size: float = 9, weight: str = "normal"
) -> "Text":
    """Put ``text`` at ``x`` and ``y``, in inches from the lower left corner of the figure."""
    return figure.text(
        x,
        y,
        text,
        fontsize=size,
        parse_math=False,
        transform=figure.dpi_scale_trans,
        va="center_baseline",
        weight=weight,
    )


def _widest(texts: Sequence["Text"]) -> float:
    """The width of the widest of ``texts`` in inches."""
    from matplotlib.textpath import TextToPath

    measure = TextToPath().get_text_width_height_descent  # in points
    return max(measure(t.get_text(), t.get_fontproperties(), False)[0] for t in texts) / 72


def _axes(figure: "Figure", x: float, y: float, width: float, height: float) -> "Axes":
    """Axes with a horizontal axis only; all lengths are in inches."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((x / across, y / up, width / across, height / up))
    axes.set_yticks([])
    axes.spines[["left", "top", "right"]].set_visible(False)
    return axes


def _names(subject: str, benchmark: str, measure: Measure) -> str:
    return printable(f"{subject}, {benchmark} {measure.name}")


def _short(name: str, longest: int = _LONGEST_NAME) -> str:
    name = printable(name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _minus(numbers: str) -> str:
    """``numbers`` with minus signs for hyphens."""
    return numbers.replace("-", "−")


def inline_svg(plot: Plot) -> str:
    """``plot`` as an ``<svg>`` element for an HTML page, the same for every run with the same data.

    Its texts have the font of the page, and what is black in a file has the page's text colour.
    """
    from xml.etree import ElementTree

    buffer = io.BytesIO()
    with _settings(plot.name):
        plot.figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = ElementTree.fromstring(buffer.getvalue())  # noqa: S314  # written by matplotlib
    for element in svg.iter():
        for child in list(element):
            if _local(child.tag) in ("metadata", "style"):  # a style would apply to the whole page
                element.remove(child)
    elements = list(svg.iter())
    values = (value for element in elements for value in element.attrib.values())
    used = {reference for value in values for reference in _REFERENCE.findall(value)}
    for element in elements:
        _simplify(element, plot.name, used)

    width, _ = plot.figure.get_size_inches()
    title, description = ElementTree.Element("title"), ElementTree.Element("desc")
    title.text, description.text = plot.title, plot.description
    for i, element in enumerate((title, description)):
        element.set("id", f"{plot.name}-{element.tag}")
        svg.insert(i, element)
    svg.attrib = {
        "viewBox": svg.attrib["viewBox"],
        "width": f"{width * 96:.0f}",  # pixels; the height follows
        "role": "img",
        "aria-labelledby": f"{plot.name}-title {plot.name}-desc",
        "fill": "currentColor",
        "stroke-linejoin": "round",
    }
    return ElementTree.tostring(svg, encoding="unicode")


_REFERENCE = re.compile(r"(?:url\(|^)#([\w-]+)")
_FONT = re.compile(r"(?:(?P<weight>\d+) )?(?P<size>[\d.]+px) ")  # of matplotlib before 3.11


def _local(name: str) -> str:
    """``name`` without its namespace, which HTML does not need."""
    return name.rpartition("}")[2]


def _simplify(element: "Element", plot: str, used: set[str]) -> None:
    """Replace the style by attributes, without the font, and black by the colour of the page.

    Ids that are ``used`` begin with the name of the ``plot`` afterwards; others are removed.
    """
    element.tag = _local(element.tag)
    attributes = {_local(name): " ".join(v.split()) for name, v in element.attrib.items()}
    attributes |= _declarations(attributes.pop("style", ""))
    if attributes.get("id") not in used:
        attributes.pop("id", None)
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    for name, value in attributes.items():
        if name == "id":
            attributes[name] = f"{plot}-{value}"
        elif name == "href":
            attributes[name] = value.replace("#", f"#{plot}-")
        elif value == _BLACK:
            attributes[name] = "currentColor"
        else:
            attributes[name] = value.replace("url(#", f"url(#{plot}-")
    element.attrib = attributes


def _declarations(style: str) -> dict[str, str]:
    """The declarations in the text of a style, without the families of fonts."""
    pairs = (declaration.partition(":") for declaration in style.split(";") if declaration)
    declared = {name.strip(): value.strip() for name, _, value in pairs}
    declared.pop("font-family", None)
    font = _FONT.match(declared.pop("font", ""))
    if font:
        declared["font-size"] = font["size"]
        declared["font-weight"] = font["weight"] or "400"
    return declared


def write(run: Run, directory: Path) -> list[Path]:
    """Write each plot to ``directory`` as SVG and PNG, black on white; return the paths.

    Creates the directory. Raises `BadInput` if a file cannot be written.
    """
    paths = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for plot in draw(run, differences(run)):
            paths += _write(plot, directory)
    except OSError as e:
        reason = e.strerror or str(e)
        raise BadInput(f"{directory}: plots cannot be written: {reason}; name another") from e
    return paths


def _write(plot: Plot, directory: Path) -> list[Path]:
    svg, png = directory / f"{plot.name}.svg", directory / f"{plot.name}.png"
    about = {"Title": plot.title, "Description": plot.description}
    dpi = min(_DPI, _MOST_PIXELS / max(plot.figure.get_size_inches()))
    with _settings(plot.name):
        plot.figure.savefig(
            svg, facecolor="white", metadata={**about, "Creator": None, "Date": None}
        )
        plot.figure.savefig(png, facecolor="white", dpi=dpi, metadata={**about, "Software": None})
    return [svg, png]
