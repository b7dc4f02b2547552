"""Plots of a run: what they show, their text alternatives, and SVG that is safe inside a page."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from PIL import Image
from support.project import ROOT
from support.scored_runs import BINARY, GRADED, TEN, make_run

from lek import load_run
from lek.errors import BadInput
from lek.report import plots
from lek.report.plots import Plot, distributions, forest, inline_svg, write
from lek.runs.run import Run

SUBJECTS = ("pretrained", "base", "abliterated", "lek", "lek-composure")
HOSTILE = ("<script>alert(1)</script>", "$x$", "_a", "a & b", "\\frac{1}{2}", 'say "no"', "中文")


def example(*rules: str) -> Run:
    """Three measures; lek's taste has the differences 1, 2, 3."""
    taste = {"base": [1, 2, 3], "lek": [2, 4, 6]}
    return make_run(
        {
            ("tea", "taste"): (TEN, taste),
            ("tea", "hot"): (BINARY, {"base": [0, 0, 1], "lek": [1, 0, 1]}),
            ("mc", "share"): (GRADED, {"base": [0.5, 0.25, 0.75], "lek": [0.5, 0.5, 0.5]}),
        },
        *rules,
    )


def drawn(function: Callable[[Run], Plot | None], run: Run) -> Plot:
    plot = function(run)
    assert plot is not None
    return plot


def parsed(plot: Plot) -> ElementTree.Element:
    return ElementTree.fromstring(inline_svg(plot))  # noqa: S314  # our own


def texts(plot: Plot) -> list[str]:
    return [element.text or "" for element in parsed(plot).iter("text")]


def both(run: Run) -> tuple[Plot, Plot]:
    return drawn(forest, run), drawn(distributions, run)


# What is shown


def test_forest_has_a_row_per_difference() -> None:
    plot = drawn(forest, example())
    shown = texts(plot)
    assert plot.name == "forest"
    assert plot.title == "Differences from base"
    for part in (
        "tea: taste",
        "tea: hot (points)",
        "mc: share (points)",
        "+2.00 [−0.48, 4.48]",
        "difference from base, in % of the scale",
        "difference [95% CI]",
    ):
        assert part in shown
    assert shown.count("lek") == 3
    assert "base" not in shown


def test_description_of_the_forest() -> None:
    plot = drawn(forest, example("tea.taste: lek >= base - 0.25", "tea.hot: lek > base"))
    assert plot.description.startswith(
        "Mean paired difference of each subject from base, with its 95% interval. "
        "lek, tea taste: +2.00 [−0.48, 4.48] (margin of a gate: −0.25); lek, tea hot: +33.3 ["
    )
    assert plot.description.endswith("] points.")
    # the margin of 0 of "lek > base" is not mentioned
    assert plot.description.count("margin") == 1


@pytest.mark.parametrize(("rule", "marked"), [(" - 0.25", True), ("", False)])
def test_margins_have_a_legend(rule: str, marked: bool) -> None:
    plot = drawn(forest, example(f"tea.taste: lek >= base{rule}"))
    assert ("margin of a gate" in texts(plot)) == marked


def test_distributions_have_a_panel_per_measure_that_is_not_binary() -> None:
    plot = drawn(distributions, example())
    shown = texts(plot)
    assert plot.name == "distributions"
    assert "taste" in shown and "share" in shown
    assert "hot" not in shown
    # means of 2, 4, 6 and of three times 50%
    assert "4.00" in shown and "50.0%" in shown
    # each score has one of three cases, except that lek always has 50%
    assert "tallest bar: 33% of cases" in shown and "tallest bar: 100% of cases" in shown


def test_description_of_the_distributions() -> None:
    # sorted 1, 2, 3, 10: the quartiles lie at 1 + 0.75, 2 + 0.5 and 3 + 0.25 * 7
    plot = drawn(distributions, make_run({("tea", "taste"): (TEN, {"lek": [10, 2, 1, 3]})}))
    assert plot.description == (
        "Histograms of the scores of each subject. "
        "lek, tea taste: mean 4.00, quartiles 1.75, 2.50 and 4.75 (n = 4)."
    )


def test_one_subject_has_no_forest() -> None:
    run = make_run({("tea", "taste"): (TEN, {"base": [1, 2, 3]})})
    assert forest(run) is None
    assert "base" in texts(drawn(distributions, run))


def test_binary_measures_have_no_distributions() -> None:
    scores = {"base": [0.0, 1.0], "lek": [1.0, 1.0]}
    assert distributions(make_run({("tea", "hot"): (BINARY, scores)})) is None


def test_a_run_without_scores_has_no_plots() -> None:
    run = make_run({("tea", "taste"): (TEN, {"base": [None, None], "lek": [None, 3]})})
    assert forest(run) is None
    assert "tallest bar: 100% of cases" in texts(drawn(distributions, run))
    assert distributions(make_run({("tea", "taste"): (TEN, {"base": [None]})})) is None


def test_one_case_has_no_interval() -> None:
    run = make_run({("tea", "taste"): (TEN, {"base": [3], "lek": [5]})})
    assert "+2.00" in texts(drawn(forest, run))


def test_figures_grow() -> None:
    def measured(count: int) -> Run:
        scores = {subject: [1, 2, 3] for subject in SUBJECTS}
        return make_run({("tea", f"m{i}"): (TEN, scores) for i in range(count)})

    for function in (forest, distributions):
        few, many = (drawn(function, measured(count)) for count in (3, 13))
        assert many.figure.get_figheight() > 2 * few.figure.get_figheight()
        assert many.figure.get_figwidth() == few.figure.get_figwidth()
    assert sum(text.startswith("tallest bar") for text in texts(many)) == 13


def test_schema_1(tmp_path: Path) -> None:
    run = load_run(ROOT / "tests" / "runs" / "schema-1")
    assert "do_not_answer: nuance" in texts(drawn(forest, run))
    assert len(write(run, tmp_path)) == 4


# Colours


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def colours(plot: Plot) -> set[str]:
    values = {value for e in parsed(plot).iter() for value in e.attrib.values()}
    return {value for value in values if re.fullmatch("#[0-9a-f]{6}", value)}


def test_colours_are_distinct_and_have_contrast_on_light_and_dark_pages() -> None:
    scores = {subject: [1, 2, 3] for subject in SUBJECTS}
    run = make_run({("tea", "taste"): (TEN, scores)})
    differing, scored = map(colours, both(run))
    assert len(differing) == len(scored) == 5  # of four subjects, and grey
    assert differing == scored
    for colour in scored:
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(colour, "#16181d") >= 3


def test_a_subject_has_the_same_style_in_runs_of_many() -> None:
    styles = plots._styles(make_run({("t", "m"): (TEN, {f"s{i}": [1, 2] for i in range(42)})}))
    assert len(set(styles.values())) == 42
    assert len({style.colour for style in list(styles.values())[:6]}) == 6
    assert len({style.marker for style in list(styles.values())[:6]}) == 6


# SVG inside a page


def test_svg_is_text_and_vectors_alone() -> None:
    allowed = {"svg", "title", "desc", "g", "path", "text", "defs", "use", "clipPath", "rect"}
    for plot in both(example("tea.taste: lek >= base - 1")):
        svg = inline_svg(plot)
        assert svg.startswith("<svg ")
        root = parsed(plot)
        assert {element.tag for element in root.iter()} <= allowed
        names = {name for element in root.iter() for name in element.attrib}
        assert not names & {"style", "font-family", "onload", "xmlns"}
        assert "http" not in svg and "data:" not in svg
        for element in root.iter():
            assert element.get("href", "#").startswith("#")


def test_svg_has_the_colour_of_the_page() -> None:
    for plot in both(example("tea.taste: lek >= base - 1")):
        root = parsed(plot)
        assert root.get("fill") == "currentColor"
        assert "#000000" not in inline_svg(plot)
        assert {text.get("fill") for text in root.iter("text")} == {None}
    assert 'stroke="currentColor"' in inline_svg(drawn(forest, example("tea.hot: lek > base - 5%")))


def test_svg_has_a_text_alternative() -> None:
    for plot in both(example()):
        root = parsed(plot)
        assert root.get("role") == "img"
        assert root.get("aria-labelledby") == f"{plot.name}-title {plot.name}-desc"
        title, description = root[0], root[1]
        assert (title.tag, title.get("id"), title.text) == (
            "title",
            f"{plot.name}-title",
            plot.title,
        )
        assert (description.tag, description.text) == ("desc", plot.description)


def test_svg_has_the_size_of_the_figure() -> None:
    plot = drawn(forest, example())
    root = parsed(plot)
    width, height = plot.figure.get_size_inches()
    box = [float(number) for number in (root.get("viewBox") or "").split()]
    assert box == pytest.approx([0, 0, width * 72, height * 72], abs=0.1)
    assert root.get("width") == f"{width * 96:.0f}"
    assert root.get("height") is None


def test_ids_are_unique_in_a_page_and_references_have_targets() -> None:
    plots_of_run = both(example("tea.taste: lek >= base - 1"))
    ids = Counter(
        element.get("id")
        for plot in plots_of_run
        for element in parsed(plot).iter()
        if element.get("id")
    )
    assert set(ids.values()) == {1}
    page = "".join(map(inline_svg, plots_of_run))
    references = re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', page)
    assert references
    assert {one or other for one, other in references} <= ids.keys()


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    rule = "tea.taste: lek >= base - 1"
    first, second = both(example(rule)), both(example(rule))
    for plot, other in zip(first, second, strict=True):
        assert inline_svg(plot) == inline_svg(plot) == inline_svg(other)
    files = [write(example(rule), tmp_path / name) for name in ("a", "b")]
    for file, other_file in zip(*files, strict=True):
        assert file.read_bytes() == other_file.read_bytes()


def test_names_are_shown_as_they_are() -> None:
    scores = {name: [1, 2, 4] for name in ("base", *HOSTILE)}
    run = make_run({(name, name): (TEN, scores) for name in HOSTILE})
    for plot in both(run):
        shown = texts(plot)
        assert not list(parsed(plot).iter("script"))
        assert "<script" not in inline_svg(plot)
        for name in HOSTILE:
            assert name in shown or name[:23] + "…" in shown
            assert f"{name}, {name} {name}: " in plot.description
    assert texts(drawn(forest, run)).count("$x$") == len(HOSTILE)


def test_a_baseline_with_a_hostile_name(tmp_path: Path) -> None:
    scores = {"$\\bad</title>": [1, 2, 4], "lek": [2, 3, 4]}
    run = make_run({("tea", "taste"): (TEN, scores)}, baseline="$\\bad</title>")
    plot = drawn(forest, run)
    assert parsed(plot)[0].text == "Differences from $\\bad</title>"
    assert "difference from $\\bad</title>, in % of the scale" in texts(plot)
    write(run, tmp_path)


def test_long_and_unprintable_names() -> None:
    name = "x" * 100 + "\x00\n\u202e\ud800"
    run = make_run({("tea", "taste"): (TEN, {"base": [1, 2, 4], name: [2, 3, 4]})})
    for plot in both(run):
        assert "x" * 31 + "…" in texts(plot)
        assert "x\\x00\\n\\u202e\\ud800, tea taste: " in plot.description
        inline_svg(plot).encode()


def test_settings_of_the_user_stay_and_have_no_effect() -> None:
    expected = [inline_svg(plot) for plot in both(example())]
    before = mpl.rcParams.copy()
    with mpl.rc_context({"text.usetex": True, "axes.facecolor": "red", "font.size": 30}):
        assert [inline_svg(plot) for plot in both(example())] == expected
        assert mpl.rcParams["font.size"] == 30
    assert mpl.rcParams.copy() == before


def test_matplotlib_is_imported_on_use_and_without_a_display() -> None:
    code = (
        "import sys\n"
        "from lek.report import plots\n"
        "assert not {'matplotlib', 'numpy', 'scipy'} & sys.modules.keys()\n"
        "from pathlib import Path\n"
        "from lek import load_run\n"
        "plot = plots.forest(load_run(Path('tests/runs/schema-1')))\n"
        "assert plots.inline_svg(plot)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# Files


def test_files_are_black_on_white(tmp_path: Path) -> None:
    paths = write(example(), tmp_path / "new" / "plots")
    assert [path.name for path in paths] == [
        "forest.svg",
        "forest.png",
        "distributions.svg",
        "distributions.png",
    ]
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
            with Image.open(path) as image:
                assert image.getpixel((0, 0)) == (255, 255, 255, 255)
                assert round(image.info["dpi"][0]) == 200
        else:
            text = path.read_text()
            assert "fill: #ffffff" in text and "currentColor" not in text
            assert "<text" in text and "<dc:date>" not in text


def test_without_plots_there_are_no_files(tmp_path: Path) -> None:
    run = make_run({("tea", "hot"): (BINARY, {"base": [0.0, 1.0]})})
    assert write(run, tmp_path) == []


@pytest.mark.parametrize("place", ["file", "file/below", "directory"])
def test_a_directory_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory" / "forest.svg").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"plots cannot be written: .*; name another") as caught:
        write(example(), tmp_path / place)
    assert str(tmp_path / place) in str(caught.value)
    assert "\n" not in str(caught.value)
