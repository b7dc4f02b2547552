"""Benchmark folders: reading, digests, validation errors, shipped benchmarks."""

import ast
from pathlib import Path

import pytest
from support.benchmarks import NAMES
from support.project import ROOT

from lek.benchmarks.benchmark import Benchmark, read_benchmark, resolve, shipped
from lek.errors import BadInput

TOML = """
name = "poetry"
marker = "verse"
judges = ["reference", "llm"]

[fields]
metre = { type = "text", required = true, label = "metre", tag = true }
label = {}

[measures.rhyme]
source = "judge"
scale = [0, 4]
rubric = "rhyme.md"
where = { label = "rhymed" }

[measures.coherent]
source = "degeneration_detector"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "poetry"
    path.mkdir()
    (path / "benchmark.toml").write_text(TOML)
    (path / "rhyme.md").write_text("## rhyme\n")
    return path


def test_read_benchmark(folder: Path) -> None:
    benchmark = read_benchmark(folder)
    assert (benchmark.name, benchmark.marker) == ("poetry", "verse")
    assert benchmark.measure_names == ("rhyme", "coherent")
    rhyme = benchmark["rhyme"]
    assert (rhyme.scale.low, rhyme.scale.high, rhyme.scale.fraction) == (0, 4, False)
    assert rhyme.rubric == "## rhyme\n"
    assert rhyme.applies_to({"label": "rhymed"}) and not rhyme.applies_to({"label": "free"})
    assert not rhyme.applies_to({})
    assert benchmark["coherent"].scale.fraction
    assert [f.label for f in benchmark.fields] == ["metre", None]
    assert "rhyme" in benchmark and "metre" not in benchmark
    with pytest.raises(KeyError):
        benchmark["metre"]


def test_a_description_restores_the_benchmark(folder: Path) -> None:
    benchmark = read_benchmark(folder)
    restored = Benchmark.from_description("poetry", benchmark.describe())
    assert restored.describe() == benchmark.describe()
    assert restored["rhyme"].text(2.5) == "2.50"
    assert restored["coherent"].text(0.5) == "50.0%"
    assert restored["rhyme"].applies_to({"label": "rhymed"})


def test_the_digest_covers_the_folder(folder: Path) -> None:
    original = read_benchmark(folder).digest
    (folder / "rhyme.md").write_text("## rhyme\n\nMore.\n")
    changed_rubric = read_benchmark(folder).digest
    (folder / "benchmark.toml").write_text(TOML.replace("[0, 4]", "[0, 5]"))
    assert len({original, changed_rubric, read_benchmark(folder).digest}) == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "poetry"', 'name = "Poetry"', "name = 'Poetry': expected lower-case letters"),
        ('name = "poetry"\n', "", "missing required field `name`"),
        ('marker = "verse"', 'marker = "skip"', "marker = 'skip': pytest uses this name"),
        ('marker = "verse"', 'marker = "a b"', "marker = 'a b': expected lower-case"),
        ('["reference", "llm"]', '["nobody"]', "Invalid enum value 'nobody'"),
        ("source = \"judge\"", "source = \"words\"", "Invalid enum value 'words'"),
        ("scale = [0, 4]\n", "", "measures.rhyme.scale: missing; give [low, high]"),
        ("[0, 4]", "[4, 0]", "measures.rhyme.scale = [4, 0]: expected [low, high]"),
        ("[0, 4]", "[0]", "Expected `array` of length 2"),
        ('rubric = "rhyme.md"\n', "", "measures.rhyme.rubric: missing; name a Markdown file"),
        ("rhyme.md", "none.md", "measures.rhyme.rubric = 'none.md': cannot be read"),
        ("rhyme.md", "../rhyme.md", "expected the name of a file in the folder"),
        ("label = \"rhymed\"", "lable = \"rhymed\"", "no such field, did you mean 'label'?"),
        ("degeneration_detector\"", "degeneration_detector\"\nscale = [0, 2]",
         "not for source = 'degeneration_detector', which gives 0 or 1"),
        ('source = "degeneration_detector"', 'source = "exact"', "needs the field correct_answer"),
        ("[measures.coherent]", "[measures.Coherent]", "measures = 'Coherent': expected"),
        ("[fields]", "[feilds]", "unknown field `feilds`"),
        ("marker =", "marker", "after a key"),
    ],
)  # fmt: skip
def test_errors_are_one_line(folder: Path, old: str, new: str, message: str) -> None:
    assert old in TOML
    (folder / "benchmark.toml").write_text(TOML.replace(old, new))
    with pytest.raises(BadInput) as raised:
        read_benchmark(folder)
    error = str(raised.value)
    assert message in error
    assert error.startswith(f"{folder / 'benchmark.toml'}: ")
    assert "\n" not in error


def test_a_benchmark_needs_measures_and_a_file(folder: Path) -> None:
    (folder / "benchmark.toml").write_text(TOML.split("[measures.rhyme]")[0] + "[measures]\n")
    with pytest.raises(BadInput, match="measures: empty"):
        read_benchmark(folder)
    (folder / "benchmark.toml").unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        read_benchmark(folder)


def test_resolve_names_and_paths(folder: Path) -> None:
    benchmarks = resolve(["gsm8k", "./poetry"], folder.parent, "p.toml: data.benchmarks")
    assert list(benchmarks) == ["gsm8k", "poetry"]
    with pytest.raises(BadInput, match=r"data.benchmarks\[0\] = 'gsm': no such benchmark, did you"):
        resolve(["gsm"], folder.parent, "p.toml: data.benchmarks")
    with pytest.raises(BadInput, match=r"benchmarks\[1\]: 'gsm8k' is listed twice"):
        resolve(["gsm8k", "gsm8k"], folder.parent, "p.toml: data.benchmarks")
    with pytest.raises(BadInput, match=r"\[0\] = './none': .*cannot be read"):
        resolve(["./none"], folder.parent, "p.toml: data.benchmarks")


def test_shipped_benchmarks() -> None:
    assert set(shipped()) == set(NAMES)
    for name, benchmark in shipped().items():
        assert benchmark.name == name


def constants(tree: ast.AST) -> set[str]:
    """Return the string constants of a module, without docstrings."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    }


def test_no_benchmark_name_is_in_the_code() -> None:
    for path in (ROOT / "lek").rglob("*.py"):
        names = constants(ast.parse(path.read_text())) & set(NAMES)
        assert not names, f"{path.relative_to(ROOT)} contains {names}"
