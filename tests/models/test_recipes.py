"""Errors in recipes are one line that names the file, the key and the remedy."""

from pathlib import Path

import pytest
from support.project import ROOT

from lek.errors import BadInput
from lek.profile.loading import load
from lek.profile.schema import DerivedSubject

GOOD = """
[data]
source = "path"
dir = "."
[[subjects]]
name = "base"
model = "some/model"
[[subjects]]
name = "lek"
from = "base"
[[subjects.lora]]
data = "train.jsonl"
[judges]
default = "none"
gsm8k = "exact"
"""
LEK = 'name = "lek"\nfrom = "base"\n[[subjects.lora]]\ndata = "train.jsonl"'
BAD = {
    "no origin": (
        'from = "base"\n',
        "",
        "subjects[1]: has none of recorded, model, from, openai; give one",
    ),
    "two origins": (
        'from = "base"',
        'from = "base"\nmodel = "x"',
        "subjects[1]: has model and from; give one",
    ),
    "misspelt origin": ('from = "base"', 'from = "bsae"', "did you mean 'base'?"),
    "origin below": ('from = "base"', 'from = "lek"', "subjects[1].from = 'lek': no such subject"),
    "nothing made": (
        LEK,
        'name = "lek"\nfrom = "base"',
        "the same as base; add abliterate, adapter or lora, or one of system and kernel",
    ),
    "system message in plain text": (
        'model = "some/model"',
        'model = "some/model"\nprompt = "plain"\nsystem = "Be brief."',
        'subjects[0].system: needs prompt = "chat"; delete one of the two',
    ),
    "kernel in plain text": (
        'from = "base"',
        'from = "base"\nprompt = "plain"\nkernel = true',
        'subjects[1].kernel: needs prompt = "chat"; delete one of the two',
    ),
    "empty system message": (
        'from = "base"',
        'from = "base"\nsystem = ""',
        "subjects[1].system = '': string should have at least 1 character",
    ),
    "stage on a source": (
        'model = "some/model"',
        'model = "some/model"\n[[subjects.lora]]\ndata = "x"',
        "subjects[0].lora: only allowed in a subject with 'from'",
    ),
    "misspelt key": ("data = ", "dat = ", "subjects[1].lora[0].dat: unknown key, did you mean 'd"),
    "rank of nothing": (
        'data = "train.jsonl"',
        'data = "train.jsonl"\nrank = 0',
        "subjects[1].lora[0].rank = 0: input should be greater than or equal to 1",
    ),
    "recorded without records": (
        'model = "some/model"',
        'recorded = "x"',
        "subjects[0].recorded: recorded answers need data.source = 'lem'",
    ),
    "verdicts without records": (
        'default = "none"',
        'default = "recorded"',
        "judges.default = 'recorded': recorded verdicts need data.source = 'lem'",
    ),
    "numbers for words": (
        'default = "none"',
        'default = "exact"',
        "judges.default = 'exact': cannot judge do_not_answer; use one of reference, gemini",
    ),
    "quantised beside full": (
        'model = "some/model"',
        'model = "some/model"\ndequantize = false',
        "subject base: dequantize = false, but lek is in full precision",
    ),
    "revision of nothing": (
        'from = "base"',
        'from = "base"\nrevision = "main"',
        "subjects[1].revision: only allowed in a subject with 'model'",
    ),
    "cold": (
        "[judges]",
        "[decoding]\ntemperature = -1.0\n[judges]",
        "decoding.temperature = -1.0: input should be greater than or equal to 0",
    ),
    "strange form": (
        "[judges]",
        '[decoding]\ndtype = "float31"\n[judges]',
        "did you mean 'float32'?",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_recipe_is_one_line(tmp_path: Path, fault: str) -> None:
    old, new, wanted = BAD[fault]
    assert old in GOOD
    path = tmp_path / "p.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BadInput) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert wanted in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_model_asked_otherwise_is_not_converted(tmp_path: Path) -> None:
    text = GOOD.replace('model = "some/model"', 'model = "some/model"\ndequantize = false')
    made = '[[subjects.lora]]\ndata = "train.jsonl"'
    (tmp_path / "p.toml").write_text(text.replace(made, "kernel = true"))
    base, lek = load(tmp_path / "p.toml").profile.models
    assert (base.is_edited, lek.is_edited) == (False, False)
    (tmp_path / "p.toml").write_text(text.replace(made, f"kernel = true\n{made}"))
    with pytest.raises(BadInput, match="dequantize = false, but lek is in full precision"):
        load(tmp_path / "p.toml")


def test_the_defaults_are_the_published_ones(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD)
    (stage,) = load(tmp_path / "p.toml").profile.subjects[1].lora
    assert (stage.iters, stage.batch_size, stage.learning_rate) == (200, 2, 1e-5)
    assert (stage.mask_prompt, stage.save_every) == (True, 50)


@pytest.mark.parametrize("name", ["sandbox", "gemma3-1b", "smollm2-135m"])
def test_the_paths_of_the_shipped_profiles_are_there(name: str) -> None:
    loaded = load(ROOT / "evals" / "profiles" / f"{name}.toml")
    derived = [s for s in loaded.profile.subjects if isinstance(s, DerivedSubject)]
    paths = [stage.data for subject in derived for stage in subject.lora]
    for subject in derived:
        if subject.abliterate is not None:
            paths += [subject.abliterate.harmful, subject.abliterate.harmless]
    assert paths
    for path in paths:
        assert loaded.relative(path).exists(), path


def test_what_others_read_of_a_recipe_has_no_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD.replace("train.jsonl", "/home/me/train.jsonl"))
    profile = load(tmp_path / "p.toml").profile
    assert profile.subjects[1].lora[0].data == "/home/me/train.jsonl"
    told = profile.public_dict(by_alias=True)
    assert told["subjects"][1]["lora"][0]["data"] == "train.jsonl"
    assert told["subjects"][0]["model"] == "some/model"
    assert "/home" not in str(told)
