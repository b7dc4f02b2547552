"""The rules of the house: imports point one way, README's tree is whole, benchmarks stay short."""

import ast
import re
from pathlib import Path

import pytest
from lek.measures import BENCHMARKS

from conftest import ROOT

ORDER = (
    "measures records sources scoring tables settings profile checks profiles lem cases "
    "kernel prompts fences numerals questions sums sentences phrases stances refusals "
    "degeneration polarity matching conduct regard virtues claims blas progress notices store "
    "ledger passes chats adapters abliteration models deadline secrecy faults backends "
    "replies recipes card build memory generate generated answers judges plain calls apis "
    "local hearing ballot docket costs judging intervals agreement metrics gates rulings plan "
    "planning forecast runs tally report options session scheduling controller plugin "
    "calibrate trial sandwich doctor cli __main__ "
).split()
FIRST_OF_FOLDER = {
    "abliteration": "projection",
    "models": "weights",
    "judges": "rubric",
    "report": "terminal",
}
MODULES = sorted((ROOT / "lek").rglob("*.py"))
PYTEST = {"session", "scheduling", "controller", "plugin"}


def imports(path: Path) -> list[str]:
    """What a module imports, anywhere in it, as dotted names."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            folders = {"lek", *(f"lek.{folder}" for folder in FIRST_OF_FOLDER)}
            found += names if node.module in folders else [str(node.module)]
    return found


def place(path: Path) -> tuple[str, str]:
    """The layer of a module and its name in that layer."""
    parts = path.relative_to(ROOT / "lek").with_suffix("").parts
    return parts[0], parts[-1]


def test_every_module_has_its_place() -> None:
    assert {place(p)[0] for p in MODULES} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_up_the_list(path: Path) -> None:
    layer, name = place(path)
    for imported in imports(path):
        if not imported.startswith("lek."):
            continue
        _, other, *rest = imported.split(".")
        if other == layer:
            allowed = [FIRST_OF_FOLDER[layer]] if layer in FIRST_OF_FOLDER else []
            assert rest == allowed, f"{path} imports {imported}, its neighbour"
            assert name != FIRST_OF_FOLDER.get(layer)
        elif layer != "__init__":
            assert ORDER.index(other) < ORDER.index(layer), f"{path} imports {imported}, below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pytest_and_heavy_packages_stay_where_they_belong(path: Path) -> None:
    roots = {i.split(".")[0] for i in imports(path)}
    assert not roots & {"pytest", "_pytest", "xdist"} or place(path)[0] in PYTEST
    at_import = {
        i.split(".")[0]
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for i in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)]
        )
    }
    heavy = {"mlx", "mlx_lm", "transformers", "huggingface_hub", "datasets", "filelock"}
    assert not at_import & (heavy | {"matplotlib", "scipy", "numpy"})


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_and_say_what_they_are(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 200
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert not {"utils", "common", "helpers", "base", "manager", "handler"} & set(place(path))


def test_the_readmes_tree_names_every_module() -> None:
    readme = (ROOT / "README.md").read_text()
    tree = re.search(r"```text\n(lem.*?)```", readme, re.S)
    assert tree is not None
    words = set(re.findall(r"[\w./-]+", tree[1]))
    wanted = {str(p.relative_to(ROOT / "lek")) for p in MODULES if p.name != "__init__.py"}
    wanted |= {p.name for p in (ROOT / "evals").glob("*.py")}
    wanted |= {str(p.relative_to(ROOT)) for p in (ROOT / "benchmarks").glob("*.py")}
    assert not wanted - words
    for directory in ROOT.iterdir():
        made = directory.name.startswith((".", "_")) or directory.name in ("build", "lek.egg-info")
        if directory.is_dir() and not made:
            assert any(w.startswith(f"{directory.name}/") for w in words), directory.name
    named = {w for w in words if w.endswith(".py")}
    real = {str(p) for p in (*ROOT.rglob("*.py"), ROOT / "conftest.py")}
    assert not {n for n in named if not any(r.endswith(f"/{n}") for r in real)}


def test_benchmarks_read_as_one_thought() -> None:
    found = {}
    for path in (ROOT / "evals").glob("test_*.py"):
        tree = ast.parse(path.read_text())
        (function,) = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
        (decorator,) = function.decorator_list
        assert [a.arg for a in function.args.args] == ["case", "subject", "judge", "record"]
        assert ast.unparse(function.body[0]) == "record(judge(case, subject.respond(case)))"
        found[ast.literal_eval(decorator.args[0])] = path  # type: ignore[attr-defined]
    assert set(found) == set(BENCHMARKS)


def test_nothing_of_a_machine_is_committed() -> None:
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if path.suffix in {".py", ".toml", ".md", ".ini", ".json", ".sh"} and parts[0] != ".lek":
            if any(p.startswith(".venv") or p == "build" for p in parts):
                continue
            text = path.read_text()
            assert "pypi." + "org/simple" not in text
            assert "/" + "root/" not in text
