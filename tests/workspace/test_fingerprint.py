"""Fingerprints of code cover what affects a result, and nothing else."""

import ast
from pathlib import Path

import pytest
from support.project import ROOT

from lek.generation import generator, served
from lek.models import recipes
from lek.workspace.fingerprint import code_digest

LEK = ROOT / "lek"
BEFORE = '''"""A module."""

import math
from lek.records import BadInput


def half(x: float) -> float:
    """Half of ``x``."""
    if x < 0:  # no roots of these
        raise BadInput(f"{x} is negative") from None
    return math.floor(x * 0.5)
'''


def digest(tmp_path: Path, text: str, name: str = "a.py") -> str:
    (tmp_path / name).write_text(text)
    return code_digest.__wrapped__(name, package=tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{x} is negative", "{x} is less than nothing"),
        ('BadInput(f"{x} is negative") from None', 'BadInput("negative", x)'),
        ("Half of ``x``.", "The half of ``x``, in whole numbers."),
        ('"""A module."""\n', ""),
        ("  # no roots of these", ""),
        ("lek.records", "lek.errors"),
        ("x: float) -> float", "x: int) -> int"),
        ("x * 0.5", "(x\n        * 0.5)"),
    ],
)
def test_what_does_not_compute_does_not_count(tmp_path: Path, old: str, new: str) -> None:
    assert old in BEFORE
    assert digest(tmp_path, BEFORE) == digest(tmp_path, BEFORE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.25"),
        ("0.5", "0"),
        ("x < 0", "x <= 0"),
        ("x < 0", "x < 1"),
        ("math.floor", "math.ceil"),
        ("import math", "import cmath as math"),
        ("BadInput(f", "ValueError(f"),
        ("return math", "x = None\n    return math"),
    ],
)
def test_what_computes_counts(tmp_path: Path, old: str, new: str) -> None:
    assert old in BEFORE
    assert digest(tmp_path, BEFORE) != digest(tmp_path, BEFORE.replace(old, new))


def test_a_file_may_move_and_all_bytes_of_data_count(tmp_path: Path) -> None:
    assert digest(tmp_path, BEFORE) == digest(tmp_path, BEFORE, "b.py")
    assert digest(tmp_path, "a = 1\n", "a.toml") != digest(tmp_path, "a =  1\n", "a.toml")


def imported(path: Path) -> set[Path]:
    """The files of the package that ``path`` imports, at module level or inside functions."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        for name in names:
            if name.startswith("lek."):
                place = LEK.joinpath(*name.split(".")[1:])
                found |= {p for p in (place.with_suffix(".py"),) if p.is_file()}
    return found


# imported by fingerprinted files without an effect on the result
INERT = {
    "errors.py",
    "records.py",
    "benchmarks/benchmark.py",
    "profile/schema.py",
    "data/tables.py",
    "models/machine.py",
    "models/weights.py",
    "models/corrections.py",
    "workspace/atomic.py",
    "generation/backend.py",
    "providers/errors.py",
    "providers/redaction.py",
    "providers/request.py",
}
CODE = recipes.CODE | {"answers": generator.CODE, "served answers": served.CODE}


@pytest.mark.parametrize("files", CODE.values(), ids=CODE)
def test_no_file_that_computes_is_missing(files: tuple[str, ...]) -> None:
    reached, waiting = set[Path](), [LEK / f for f in files]
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(LEK))
        if path not in reached and (name in files or name not in INERT):
            reached.add(path)
            waiting += imported(path) if path.suffix == ".py" else ()
    assert {str(p.relative_to(LEK)) for p in reached} == set(files)


def edited(tmp_path: Path, file: str, old: str, new: str) -> dict[str, str]:
    """The digest of each step after replacing ``old`` by ``new`` in one file of the package."""
    text = (LEK / file).read_text()
    assert old in text, f"{file} no longer has {old!r}"
    package = tmp_path / "lek"
    for name in {*sum(CODE.values(), ()), file}:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_bytes((LEK / name).read_bytes())
    (package / file).write_text(text.replace(old, new))
    return {step: code_digest.__wrapped__(*fs, package=package) for step, fs in CODE.items()}


def unedited() -> dict[str, str]:
    return {step: code_digest(*files) for step, files in CODE.items()}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("models/lora.py", "give both the same", "they must be equal"),
        ("records.py", "One benchmark item.", "An item of a benchmark."),
        ("report/terminal.py", "relative change from", "change in per cent from"),
        ("models/lora.py", "the loss is not finite at", "NaN at"),
        ("models/chats.py", "rejects this example", "fails for this example"),
        ("models/chats.py", "which mlx_lm would train on instead", "on which mlx_lm would train"),
        ("models/chats.py", "never used, since", "left out, because"),
        ("models/chats.py", "'expected {", "'expected the form {"),
        ("models/chats.py", "example{plural} (line", "row{plural} (line"),
        ("models/abliteration/search.py", "answers before the edit", "first answers"),
        ("models/abliteration/search.py", "finalists on harmful prompts", "finalists"),
        ("models/weights.py", "Nothing here executes code", "No code is executed"),
        ("models/chat_template.py", "no chat template; give", "there is no chat template: give"),
        ("providers/openai.py", "An endpoint for chat", "The endpoint for chat"),
        ("generation/served.py", '"this subject, and [decoding]"', '"this subject"'),
    ],
)
def test_words_rebuild_no_model_and_lose_no_answer(
    tmp_path: Path, file: str, old: str, new: str
) -> None:
    assert edited(tmp_path, file, old, new) == unedited()


@pytest.mark.parametrize(
    ("file", "old", "new", "steps"),
    [
        ("models/lora.py", "mask_prompt=stage.mask_prompt", "mask_prompt=True",
         {"adapter", "lora"}),
        ("models/chats.py", "enumerate(lines, 1)", "enumerate(lines, 0)",
         {"adapter", "lora"}),
        ("text/refusals.py", "_SENTENCES, _CHARACTERS = 6", "_SENTENCES, _CHARACTERS = 7",
         {"abliterate"}),
        ("generation/mlx.py", "skip_special_tokens=True", "skip_special_tokens=False", {"answers"}),
        ("generation/replies.py", "top_p=decoding.top_p", "top_p=1.0", {"served answers"}),
        ("providers/openai.py", '"seed": sampling.seed', '"seed": 0', {"served answers"}),
    ],
)  # fmt: skip
def test_a_change_of_a_step_rebuilds_what_it_makes(
    tmp_path: Path, file: str, old: str, new: str, steps: set[str]
) -> None:
    found, before = edited(tmp_path, file, old, new), unedited()
    assert {step for step in found if found[step] != before[step]} == steps
