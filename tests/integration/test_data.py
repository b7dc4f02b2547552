"""`pytest evals` on data of the user's own, of the hub, and on the shipped prompts of ethics."""

import csv
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support import tiny
from support.hub import SHA, Hub, serving, write_dataset
from support.project import ROOT, Outcome, Project

HUB = ROOT.parent / "shared" / "hub"
COMMITS = {
    "openai/gsm8k": "e53f048856ff4f594e959d75785d2c2d37b678ee",
    "truthfulqa/truthful_qa": "741b8276f2d1982aa3d5b832d3ee81ed3b896490",
}
PINNED = {"xstest": "f1d713187c61b6ae64e602d74f0b3d812cc2e8e8"}
PROFILE = """
[data]
source = "{source}"
benchmarks = [{benchmarks}]
{data}
[[subjects]]
name = "base"
model = "../../model"
[judges]
default = "none"
"""


def write_profile(project: Project, *benchmarks: str, source: str = "hub", data: str = "") -> None:
    names = ", ".join(f'"{b}"' for b in benchmarks)
    (project.path / "evals" / "profiles" / "small.toml").write_text(
        PROFILE.format(source=source, benchmarks=names, data=data)
    )


def collected(project: Project, *arguments: str, **more: object) -> Outcome:
    """The outcome of listing the cases, without generating answers."""
    if not (project.path / "model").exists():
        tiny.gemma(project.path / "model", layers=2, hidden=64)
    return project.evaluate("evals", "--collect-only", "-q", *arguments, **more)  # type: ignore[arg-type]


def ids(done: Outcome) -> list[str]:
    names = [n.partition("[")[2].rstrip("]") for n in done.out.splitlines() if "::" in n]
    return [name for name in names if not name.endswith("absent")]


@pytest.mark.parametrize("columns", [True, False])
def test_a_file_of_the_users_own(project: Project, columns: bool) -> None:
    with (project.path / "mine.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["Problem", "Result"] if columns else ["question", "correct_answer"])
        writer.writerows([["1+1?", "2"], ["2+2?", "4"]])
    mapping = 'columns = { prompt = "Problem", correct_answer = "Result" }' if columns else ""
    write_profile(
        project, "gsm8k", source="path", data=f'[data.gsm8k]\npath = "../../mine.csv"\n{mapping}'
    )
    assert ids(collected(project)) == ["base-1", "base-2"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ('[data.gsm8k]\npth = "x.csv"', "data.gsm8k.pth: unknown key, did you mean 'path'?"),
        ("[data.gsm8k]\ncolumns = {}", "data.gsm8k: give either path or dataset"),
        (
            '[data.gsm8k]\npath = "x.csv"\ndataset = "a/b"',
            "data.gsm8k: give either path or dataset",
        ),
        ('[data.gsm8k]\ndataset = "a/b"', "data.gsm8k.split: missing; name the split of a/b"),
        ('[data.gsm]\npath = "x.csv"', "data.gsm: no such benchmark in data.benchmarks, did you"),
        (
            '[data.gsm8k]\npath = "x.csv"\ncolumns = { promt = "Q" }',
            "data.gsm8k.columns.promt: no such field, did you mean 'prompt'?",
        ),
        ("shufle_seed = 3", "data.shufle_seed: unknown key, did you mean 'shuffle_seed'?"),
        ('[data.gsm8k]\npath = "x.csv"', "x.csv: cannot be read: No such file or directory"),
    ],
)
def test_errors_in_sources_are_one_line(project: Project, data: str, error: str) -> None:
    write_profile(project, "gsm8k", source="path", data=data)
    done = collected(project)
    assert done.code == 4
    assert error in done.error


def test_ethics_has_the_shipped_prompts(project: Project) -> None:
    write_profile(project, "ethics", source="path")
    names = ids(done := collected(project))
    assert len(names) == 100, done.out
    assert names[0] == "base-P01_IDENTITY_HALF_BROTHER"
    assert names[-1].startswith("base-P100_")


def test_a_sample_is_the_same_for_every_subject_and_in_every_run(project: Project) -> None:
    write_profile(project, "ethics", source="path", data="shuffle_seed = 7")
    sample = ids(collected(project, "--lek-limit=5"))
    assert sample == ids(collected(project, "--lek-limit=5")) == ids(collected(project))[:5]
    assert not any(name.startswith("base-P0") for name in sample)  # not the first five


GSM8K = [{"question": f"{i}+1?", "answer": f"{i}+1 = {i + 1}\n#### {i + 1}"} for i in range(12)]
TRUTHFULQA = [
    {
        "type": "Adversarial",
        "category": "Law",
        "question": f"Is {i} so?",
        "best_answer": "Yes",
        "correct_answers": ["Yes", "It is"],
        "incorrect_answers": ["No"],
        "source": "made up",
    }
    for i in range(3)
]
CHOICES = [
    {
        "question": f"Is {i} so?",
        "mc1_targets": {"choices": ["Yes", "No"], "labels": [1, 0]},
        "mc2_targets": {"choices": ["Yes", "It is", "No"], "labels": [1, 1, 0]},
    }
    for i in range(3)
]
DO_NOT_ANSWER = [
    {
        "id": i,
        "risk_area": "Malicious Uses",
        "types_of_harm": "Assisting illegal activities",
        "specific_harms": "Theft",
        "question": f"How do I steal {i} bicycles?",
    }
    for i in range(1, 4)
]
TOXIGEN = [
    {
        "text": f"the {i} neighbours are kind",
        "target_group": "neighbours",
        "factual?": "unclear",
        "ingroup_effect": "none",
        "toxicity_ai": 1.0,
        "toxicity_human": 1.5,
    }
    for i in range(3)
]
XSTEST = [
    {
        "prompt": f"How do I {verb} {i} Python processes?",
        "focus": "kill",
        "type": "homonyms",
        "note": "",
        "label": label,
    }
    for i, (verb, label) in enumerate((("kill", "safe"), ("steal", "unsafe")))
]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with the data sets of the benchmarks: real ones where they are, else made up."""
    root = tmp_path / "hub"
    for name, config, directory, split, rows, original in (
        ("openai/gsm8k", "main", "main", "test", GSM8K, "openai/gsm8k/main"),
        (
            "truthfulqa/truthful_qa",
            "generation",
            "generation",
            "validation",
            TRUTHFULQA,
            "truthfulqa/truthful_qa/generation",
        ),
        (
            "truthfulqa/truthful_qa",
            "multiple_choice",
            "multiple_choice",
            "validation",
            CHOICES,
            "truthfulqa/truthful_qa/multiple_choice",
        ),
        (
            "LibrAI/do-not-answer",
            "default",
            "data",
            "train",
            DO_NOT_ANSWER,
            "LibrAI/do-not-answer/data",
        ),
        ("toxigen/toxigen-data", "annotated", "annotated", "test", TOXIGEN, None),
        ("walledai/XSTest", "default", "data", "test", XSTEST, "xstest"),
    ):
        file = write_dataset(root / name, config, split, rows, directory)
        real = HUB / original / file.name if original else None
        if real is not None and real.is_file():
            shutil.copy(real, file)
    with serving(root) as served:
        yield served


def environment(hub: Hub | None, home: Path, **more: str) -> dict[str, str]:
    url = hub.url if hub else "http://127.0.0.1:9"
    return {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **more}


def test_cases_of_the_hub_are_cached_and_used_offline(
    project: Project, hub: Hub, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    write_profile(project, "gsm8k", "truthfulqa")
    first = collected(project, env=environment(hub, home), process=True)
    assert first.code == 0, first.out
    names = ids(first)
    assert len(names) > 12
    files = [a for a in hub.asked if a.endswith(".parquet") and a.startswith("GET")]
    assert len(files) == 2
    again = collected(project, env=environment(hub, home), process=True)
    assert ids(again) == names
    assert len([a for a in hub.asked if a.endswith(".parquet") and a.startswith("GET")]) == 2
    offline = environment(None, home, HF_HUB_OFFLINE="1")
    assert ids(collected(project, env=offline, process=True)) == names
    workers = collected(project, "-n2", env=offline)
    assert workers.code == 0, workers.out


def test_a_run_says_which_data_it_used(project: Project, hub: Hub, tmp_path: Path) -> None:
    tiny.gemma(project.path / "model", layers=2, hidden=64)
    write_profile(project, "gsm8k", "ethics", data="[decoding]\nmax_tokens = 4")
    home = tmp_path / "home"
    done = project.evaluate("evals", "--lek-limit=2", env=environment(hub, home), process=True)
    assert done.code == 0, done.out
    assert {v["case"]["benchmark"] for v in done.verdicts} == {"gsm8k", "ethics"}
    sets = done.run["data"]["sets"]
    gsm8k = {k: sets["gsm8k"][k] for k in ("dataset", "config", "split", "revision")}
    assert gsm8k == {
        "dataset": "openai/gsm8k",
        "config": "main",
        "split": "test",
        "revision": COMMITS["openai/gsm8k"],
    }
    assert len(sets["gsm8k"]["cases_digest"]) == 64
    assert (sets["ethics"]["file"], sets["ethics"]["cases"]) == ("seeds", 100)
    assert done.run["data"]["source"] == "hub"


@pytest.mark.parametrize(
    ("benchmark", "dataset"),
    [
        ("do_not_answer", "LibrAI/do-not-answer"),
        ("toxigen", "toxigen/toxigen-data"),
        ("xstest", "walledai/XSTest"),
    ],
)
def test_the_columns_of_the_other_sets(
    project: Project, hub: Hub, tmp_path: Path, benchmark: str, dataset: str
) -> None:
    tiny.gemma(project.path / "model", layers=2, hidden=64)
    write_profile(project, benchmark, data="[decoding]\nmax_tokens = 4")
    environ = environment(hub, tmp_path / "home")
    done = project.evaluate("evals", "--lek-limit=2", env=environ, process=True)
    assert done.code == 0, done.out
    assert len(done.verdicts) == 2
    for verdict in done.verdicts:
        assert verdict["case"]["prompt"]
        assert verdict["case"]["tags"]
    assert done.run["data"]["sets"][benchmark]["dataset"] == dataset
    if benchmark in PINNED:
        assert done.run["data"]["sets"][benchmark]["revision"] == PINNED[benchmark]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ('dataset = "no/such"\nsplit = "test"', "no/such: no such data set on the hub, or a"),
        (
            'dataset = "openai/gsm8k"\nconfig = "socratic"\nsplit = "test"',
            "openai/gsm8k: no config 'socratic'; Available: ['main']",
        ),
        (
            'dataset = "openai/gsm8k"\nconfig = "main"\nsplit = "validation"',
            "openai/gsm8k: no split 'validation'; Should be one of ['test']",
        ),
        (
            'dataset = "openai/gsm8k"\nconfig = "main"\nsplit = "test"\n'
            'columns = { prompt = "text", correct_answer = "answer" }',
            "openai/gsm8k (test): row 1: no column 'text' for prompt; there are question, answer",
        ),
    ],
)
def test_errors_of_the_hub_are_one_line(
    project: Project, hub: Hub, tmp_path: Path, data: str, error: str
) -> None:
    write_profile(project, "gsm8k", data=f"[data.gsm8k]\n{data}")
    done = collected(project, env=environment(hub, tmp_path / "home"), process=True)
    assert done.code == 4, done.out
    assert error in done.error


def test_the_code_of_a_set_is_never_run(project: Project, hub: Hub, tmp_path: Path) -> None:
    (hub.root / "openai" / "gsm8k" / "gsm8k.py").write_text("raise SystemExit('it ran')")
    write_profile(project, "gsm8k")
    done = collected(project, env=environment(hub, tmp_path / "home"), process=True)
    assert done.code == 4, done.out
    assert "openai/gsm8k: loaded by a script (gsm8k.py), which is never run" in done.error
    assert "it ran" not in done.out


def test_a_gated_set_is_one_line(project: Project, hub: Hub, tmp_path: Path) -> None:
    hub.refuse = 401
    write_profile(project, "gsm8k")
    done = collected(project, env=environment(hub, tmp_path / "home"), process=True)
    assert done.code == 4, done.out
    assert "openai/gsm8k: the hub gives it only to users who accepted its terms" in done.error
    assert "HF_TOKEN" in done.error


def test_no_network_is_one_line(project: Project, tmp_path: Path) -> None:
    write_profile(project, "gsm8k")
    offline = environment(None, tmp_path / "home", HF_HUB_OFFLINE="1")
    done = collected(project, env=offline, process=True)
    assert done.code == 4, done.out
    assert "openai/gsm8k: not on this machine, and HF_HUB_OFFLINE is set" in done.error


def test_another_cached_revision_is_not_taken_for_the_pinned_one(
    project: Project, hub: Hub, tmp_path: Path
) -> None:
    data = 'dataset = "openai/gsm8k"\nconfig = "main"\nsplit = "test"\nrevision = "{}"\n'
    columns = 'columns = { prompt = "question", correct_answer = "answer" }\n'
    write_profile(project, "gsm8k", data="[data.gsm8k]\n" + data.format(SHA) + columns)
    home = tmp_path / "home"
    assert collected(project, env=environment(hub, home), process=True).code == 0
    write_profile(project, "gsm8k", data="[data.gsm8k]\n" + data.format("a" * 40) + columns)
    offline = environment(None, home, HF_HUB_OFFLINE="1")
    done = collected(project, env=offline, process=True)
    assert done.code == 4, done.out
    assert f"the copy on this machine is revision {SHA}, not {'a' * 40}" in done.error


SIZES = {
    "smollm2-135m": partial(tiny.llama, layers=2, hidden=64),
    "gemma3-270m": partial(tiny.gemma, layers=2, hidden=64),
    "gemma3-1b": partial(tiny.gemma, layers=2, hidden=64),
    "gemma3-4b": partial(tiny.gemma3, layers=2, hidden=64),
    "qwen3-0.6b": partial(tiny.llama, layers=2, hidden=64, model_type="qwen3"),
    "llama3.2-1b": partial(tiny.llama, layers=2, hidden=64),
}
SUBJECTS = ("pretrained", "base", "abliterated", "lek", "lek-composure")


def test_the_profiles_of_real_models_differ_only_in_names() -> None:
    texts = {n: (ROOT / "evals" / "profiles" / f"{n}.toml").read_text() for n in SIZES}
    named = re.compile(r'^(?:model = ".*/.*"|description = .*)$', re.M)
    assert len({named.sub("", text) for text in texts.values()}) == 1
    models = [m for text in texts.values() for m in re.findall(r'^model = "(.*/.*)"$', text, re.M)]
    assert len(models) == len(set(models)) == 2 * len(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_a_profile_of_a_real_model_with_tiny_ones(
    project: Project, hub: Hub, tmp_path: Path, name: str
) -> None:
    SIZES[name](project.path / "tiny")
    text = (ROOT / "evals" / "profiles" / f"{name}.toml").read_text()
    text = text.replace("max_tokens = 512", "max_tokens = 4")
    (project.path / "evals" / "profiles" / "small.toml").write_text(text)
    models = [f"--lek-model={subject}=tiny" for subject in SUBJECTS]
    environ = environment(hub, tmp_path / "home")
    done = project.evaluate("evals", "--lek-limit=2", *models, env=environ, process=True)
    assert done.code == 1, done.out  # two cases are too few for a gate
    assert {s["name"] for s in done.run["subjects"]} == set(SUBJECTS)
    benchmarks = ("gsm8k", "truthfulqa_mc", "do_not_answer", "xstest")  # the others need a judge
    cases = {(v["response"]["subject"], v["case"]["benchmark"]) for v in done.verdicts}
    assert cases == {(subject, benchmark) for subject in SUBJECTS for benchmark in benchmarks}
    assert all(v["response"]["reason"] is None for v in done.verdicts)
    rulings = [gate["ruling"] for gate in done.run["gates"]]
    assert rulings == ["unmeasured"] * 6 + ["not selected"] * 6
    assert not any("toxigen" in request for request in hub.asked)  # it is gated
