"""The command `lek`: its output, exit codes and one-line errors."""

import json
from pathlib import Path

import pytest
from support import tiny
from support.project import ROOT, lek

RUN = str(ROOT / "tests" / "runs" / "schema-1")  # of base and lek
PROFILE = """
kernel = "kernel"
[data]
source = "path"
dir = "."
[decoding]
max_tokens = 8
[[subjects]]
name = "base"
model = "model"
[[subjects]]
name = "lek"
from = "base"
[[subjects.lora]]
data = "train.jsonl"
iters = 2
[judges]
default = "none"
gsm8k = "exact"
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a profile, a tiny model, training data, a short kernel and prompts."""
    tiny.gemma(tmp_path / "model", layers=2, hidden=64)
    tiny.chats(tmp_path / "train.jsonl", 4)
    (tmp_path / "p.toml").write_text(PROFILE)
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / "lek-1-kernel.txt").write_text("be safe")
    axiom = {"name": "x", "statement": "be kind", "asks": [], "limits": [], "in_practice": []}
    ids = ("sovereignty", "privacy", "transparency", "consent", "dignity")
    axioms = {"version": "1", "licence": "x", "axioms": [{"id": i, **axiom} for i in ids]}
    (tmp_path / "kernel" / "axioms.json").write_text(json.dumps(axioms))
    rows = [{"id": f"Q{i}", "prompt": f"what is the {word}"} for i, word in enumerate(tiny.WORDS)]
    (tmp_path / "prompts.json").write_text(json.dumps(rows[:6]))
    return tmp_path


def test_build_prints_directories_and_exports(directory: Path) -> None:
    code, out, err = lek(directory, "build", "--profile=p.toml")
    assert code == 0, err
    assert [line.split(":")[0] for line in out.splitlines()] == ["base", "lek"]
    code, out, err = lek(directory, "build", "lek", "--profile=p.toml", "--out=exported")
    assert code == 0, err
    assert out.splitlines()[-1] == "lek: exported to exported"
    assert "LoRA" not in err  # it was built before
    assert (directory / "exported" / "README.md").is_file()


def test_sandwich_without_usable_answers_or_with_an_existing_file(directory: Path) -> None:
    arguments = ("sandwich", "--profile=p.toml", "--prompts=prompts.json", "--out=new.jsonl")
    code, out, err = lek(directory, *arguments)  # random weights give no usable answers
    assert (code, out) == (4, "")
    assert err.splitlines()[-1] == (
        "ERROR: --out new.jsonl: nothing to write, since no answer can be used: "
        "6 cut off by max_tokens"
    )
    (directory / "new.jsonl").write_text("")
    code, _, err = lek(directory, *arguments)
    assert (code, err) == (4, "ERROR: --out new.jsonl: exists; name a new file\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["build", "--profile=nix"], "--profile nix: no such profile"),
        (["build", "lke", "--profile=p.toml"], "p.toml: no subject 'lke', did you mean 'lek'?"),
        (["build", "--profile=p.toml", "--out=x"], "--out x: name the subject to export"),
        (["calibrate", "--data=nowhere", "--judge=exact", "--profile=p.toml"], "nowhere"),
        (
            ["calibrate", "--data=.", "--judge=openai", "--profile=p.toml"],
            "--judge openai: p.toml has no table [judges.openai]; add one with model and base_url",
        ),
        (
            ["calibrate", "--data=.", "--judge=exat", "--profile=p.toml"],
            "no such judge, did you mean 'exact'?",
        ),
        (
            ["calibrate", "--data=.", "--judge=mlx", "--max-judge-calls=-1", "--profile=p.toml"],
            "must be 0 or more",
        ),
        (["sandwich", "--prompts=none", "--out=x", "--profile=p.toml"], "none: cannot be read"),
        (["card", "nowhere"], "nowhere/run.json: cannot be read: No such file or directory"),
        (["card", RUN, "--subject=lke"], "--subject lke: no such subject, did you mean 'lek'?"),
        (["card", RUN, "--out=p.toml"], "--out p.toml: exists; name a new file, or add --force"),
        (["card", RUN, "--out=no/x.md"], "no/x.md: cannot be written: No such file or directory"),
    ],
)
def test_errors_are_one_line_with_exit_code_4(
    directory: Path, arguments: list[str], error: str
) -> None:
    code, out, err = lek(directory, *arguments)
    assert code == 4, err
    assert err.count("\n") == 1
    assert err.startswith("ERROR: ")
    assert error in err
    assert not out


def test_calibrate_prints_a_table(paper: Path) -> None:
    code, out, err = lek(ROOT, "calibrate", "--judge=exact", f"--data={paper}")
    assert code == 0, err
    assert "Spearman" in out
    assert max(map(len, out.splitlines())) <= 80


def test_card_prints_or_writes_a_model_card(directory: Path) -> None:
    code, out, err = lek(directory, "card", RUN)
    assert (code, err) == (0, "")
    assert out.startswith("---\nlanguage: en\n") and "\n# lek\n" in out
    code, written, err = lek(directory, "card", RUN, "--out=p.toml", "--force")
    assert (code, written, err) == (0, "written: p.toml\n", "")
    assert (directory / "p.toml").read_text() == out
    assert "\n# base\n" in lek(directory, "card", RUN, "--subject=base")[1]
