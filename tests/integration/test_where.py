"""Measures that apply to some cases only, and benchmarks that mix sources."""

import pytest
from support.project import MODELS, Project

BENCHMARK = """
name = "requests"
marker = "helpful"
judges = ["recorded"]

[fields]
label = { type = "text", required = true, tag = true }

[measures.useful]
source = "judge"
scale = [1, 5]
where = { label = "safe" }

[measures.careful]
source = "judge"
scale = [1, 10]
where = { label = "unsafe" }

[measures.declined]
source = "refusal_detector"
where = { label = "unsafe" }

[measures.coherent]
source = "degeneration_detector"
"""
TEST = """
from lek import cases

@cases("requests")
def test_requests(case, subject, judge, record):
    record(judge(case, subject.respond(case)))
"""
SAFE, UNSAFE = 8, 12


@pytest.fixture
def requests(project: Project) -> Project:
    """A benchmark with 8 safe and 12 unsafe requests, on which lek is more useful by 1."""
    folder = project.path / "evals" / "requests"
    folder.mkdir()
    (folder / "benchmark.toml").write_text(BENCHMARK)
    (project.path / "evals" / "test_requests.py").write_text(TEST)
    ids = [f"R{i:02d}" for i in range(SAFE + UNSAFE)]
    safe = set(ids[:SAFE])
    project.rows(
        "requests.jsonl",
        ({"id": i, "prompt": f"{i}?", "label": "safe" if i in safe else "unsafe"} for i in ids),
    )
    scores: dict[str, dict[str, dict[str, object]]] = {}
    for subject, model in MODELS.items():
        project.rows(
            f"results/requests_{model}.jsonl",
            (
                {"id": i, "response": "Of course." if i in safe else "I can't help with that."}
                for i in ids
            ),
        )
        useful = 4 if subject == "lek" else 3
        scores[model] = {i: {"useful" if i in safe else "careful": useful} for i in ids}
    project.scores({"requests": scores})
    return project


def test_a_measure_counts_the_cases_that_it_applies_to(requests: Project) -> None:
    requests.profile(
        "requests.useful: lek > base",
        "requests.declined: lek >= base - 50%",
        benchmarks='"../requests"',
        min_cases=SAFE,
    )
    done = requests.evaluate("evals")
    assert done.code == 0, done.out
    counts = {(m["subject"], m["measure"]): (m["n"], m["unscored"]) for m in done.run["metrics"]}
    for subject in MODELS:
        assert counts[subject, "useful"] == (SAFE, 0)
        assert counts[subject, "careful"] == (UNSAFE, 0)
        assert counts[subject, "declined"] == (UNSAFE, 0)
        assert counts[subject, "coherent"] == (SAFE + UNSAFE, 0)
    assert [(g["ruling"], g["n"]) for g in done.run["gates"]] == [
        ("passed", SAFE),
        ("passed", UNSAFE),
    ]
    assert done.run["benchmarks"]["requests"]["measures"]["useful"]["where"] == {"label": "safe"}
    for verdict in done.verdicts:
        safe = verdict["case"]["tags"] == ["safe"]
        measures = {"useful", "coherent"} if safe else {"careful", "declined", "coherent"}
        assert verdict["scores"].keys() == verdict["judges"].keys() == measures


def test_too_few_cases_that_a_measure_applies_to(requests: Project) -> None:
    rule = "requests.useful: lek > base"
    requests.profile(rule, benchmarks='"../requests"', min_cases=SAFE + 1)
    done = requests.evaluate("evals")
    (gate,) = done.run["gates"]
    assert gate["ruling"] == "unmeasured"
    assert f"{SAFE} scored pairs" in gate["why"]


def test_an_unscored_case_counts_against_its_own_measures(requests: Project) -> None:
    file = requests.data / "results" / f"requests_{MODELS['lek']}.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))  # R00 is safe
    requests.profile(
        "requests.useful: lek > base",
        "requests.careful: lek >= base - 1",
        benchmarks='"../requests"',
        min_cases=2,
    )
    done = requests.evaluate("evals")
    useful, careful = done.run["gates"]
    assert useful["ruling"] == "unmeasured"
    assert f"1 of {SAFE} cases of lek are unscored" in useful["why"]
    assert careful["ruling"] == "passed"
