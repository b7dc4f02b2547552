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


CHOICES = """
name = "quiz"
marker = "facts"
judges = []

[fields]
right = { type = "texts", required = true }
wrong = { type = "texts", required = true }
key = {}

[likelihood]
examples = "examples.txt"

[measures.best]
source = "likelihood"
true = "right"
false = "wrong"

[measures.share]
source = "likelihood"
choices = "wrong"
answer = "key"
score = "share"
"""


@pytest.fixture
def quiz(tmp_path: Path) -> Path:
    path = tmp_path / "quiz"
    path.mkdir()
    (path / "benchmark.toml").write_text(CHOICES)
    (path / "examples.txt").write_text("Q: 1 + 1?\nA: 2\n\n")
    return path


def test_a_benchmark_of_likelihoods(quiz: Path) -> None:
    benchmark = read_benchmark(quiz)
    assert benchmark.likelihood is not None
    assert benchmark.likelihood.examples == "Q: 1 + 1?\nA: 2\n\n"
    assert benchmark.likelihood.prompt == "Q: {prompt}\nA:"
    assert benchmark["best"].applies_to({"right": ["a"], "wrong": ["b"]})
    assert not benchmark["best"].applies_to({"right": ["a"]})
    assert benchmark["share"].scale.fault(0.25) is None
    assert benchmark["best"].scale.fault(0.25) is not None
    restored = Benchmark.from_description("quiz", benchmark.describe())
    assert restored["share"].scale == benchmark["share"].scale
    assert not restored["best"].applies_to({"right": ["a"]})
    digest = benchmark.digest
    (quiz / "examples.txt").write_text("Q: 1 + 2?\nA: 3\n\n")
    assert read_benchmark(quiz).digest != digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('false = "wrong"\n', "", "measures.best: give the fields true and false, or choices"),
        ('true = "right"', 'choices = "right"', "measures.best: give the fields true and false"),
        ('true = "right"', 'true = "rigth"', "no such field, did you mean 'right'?"),
        ('true = "right"', 'true = "key"', "has the type any; expected text or texts"),
        ('score = "share"', 'score = "sum"', "Invalid enum value 'sum'"),
        ('"likelihood"\ntrue', '"exact"\ntrue', "only for source = 'likelihood'; delete it"),
        ('score = "share"', 'rubric = "r.md"', "no judge scores likelihoods; delete it"),
        ("[measures.best]", '[measures.ok]\nsource = "refusal_detector"\n\n[measures.best]',
         "measures.ok.source = 'refusal_detector': cannot be combined with source"),
        ('examples = "examples.txt"', 'examples = "no.txt"', "examples = 'no.txt': cannot be read"),
        ('examples = "examples.txt"', 'examples = "../x"', "expected the name of a file"),
        ('examples = "examples.txt"', 'prompt = "Q:"', "likelihood.prompt: must contain {prompt}"),
        ('examples = "examples.txt"', 'choice = "A:"', "likelihood.choice: must contain {choice}"),
    ],
)  # fmt: skip
def test_a_faulty_benchmark_of_likelihoods_is_an_error(
    quiz: Path, old: str, new: str, message: str
) -> None:
    assert old in CHOICES
    (quiz / "benchmark.toml").write_text(CHOICES.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        read_benchmark(quiz)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_prompt_for_choices_needs_a_measure_of_likelihoods(folder: Path) -> None:
    with (folder / "benchmark.toml").open("a") as file:
        file.write("[likelihood]\n")
    with pytest.raises(BadInput, match="no measure has source = 'likelihood'"):
        read_benchmark(folder)


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
    assert set(shipped()) == {*NAMES, "truthfulqa_mc"}
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
        names = constants(ast.parse(path.read_text())) & {*NAMES, "truthfulqa_mc"}
        assert not names, f"{path.relative_to(ROOT)} contains {names}"
