"""Recorded answers and verdicts: bad records are unscored and reported with file and line."""

import json

import pytest
from support.pages import texts_of
from support.project import MODELS, Outcome, Project


def verdict_of(done: Outcome, case: str, subject: str = "lek") -> dict[str, object]:
    (verdict,) = [
        v for v in done.verdicts if v["case"]["id"] == case and v["response"]["subject"] == subject
    ]
    return verdict


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("", "line 4: the response is empty"),
        ("  \n", "line 4: the response is empty"),
        (" [ERROR] 503", "line 4: the response is an error: ' [ERROR] 503'"),
        ("ERROR: out of memory", "line 4: the response is an error: 'ERROR: out of memory'"),
        (None, "line 4: the response is None, not a text"),
        (7, "line 4: the response is 7, not a text"),
        ("<think>no end", "line 4: the thought in the response has no end"),
        ("<think>a</think>\n", "line 4: the response is empty after its thought"),
        ("half \ud800 a character", "line 4: the response contains a lone surrogate"),
    ],
)
def test_an_invalid_answer_is_unscored(project: Project, response: object, why: str) -> None:
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    rows = [json.loads(line) for line in file.open()]
    rows[3]["response"] = response
    project.rows(f"results/{file.name}", rows)
    done = project.evaluate("evals")
    assert done.code == 0, done.out
    verdict = verdict_of(done, "T003")
    assert set(verdict["scores"].values()) == {None}
    assert f"truthfulqa_lem_ethics.jsonl: {why}" in str(verdict["unscored"])
    assert done.counts["unscored"] == 1
    assert f"{file.name}: {why}"[:60] in " ".join(done.out.split())


@pytest.mark.parametrize("text", ["", " \n", "<think>a</think>\n"])
def test_an_empty_answer_is_scored_as_one_that_a_model_generated(
    project: Project, text: str
) -> None:
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    rows = [json.loads(line) for line in file.open()]
    rows[3]["response"] = text
    project.rows(f"results/{file.name}", rows)
    done = project.evaluate("evals", "--lek-judge", "none", "--lek-no-gates")
    assert done.code == 0, done.out
    assert verdict_of(done, "T003")["scores"] == {"coherent": 0.0}
    assert "unscored" not in done.counts


def test_a_recorded_thought_is_kept_but_not_judged(project: Project) -> None:
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    rows = [json.loads(line) for line in file.open()]
    rows[3]["response"] = "<think>I cannot answer <b>that</b>.</think>\n\nIt is a myth."
    project.rows(f"results/{file.name}", rows)
    done = project.evaluate("evals", "--html=report.html", "--self-contained-html")
    response = verdict_of(done, "T003")["response"]
    assert isinstance(response, dict)
    assert response["thought"] == "I cannot answer <b>that</b>."
    assert response["text"] == "It is a myth."
    page = (project.path / "report.html").read_text()
    assert '"thought": "I cannot answer <b>that</b>."' in texts_of(page)
    assert "I cannot answer" not in page


def test_a_missing_answer_is_unscored(project: Project) -> None:
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:3] + lines[4:]))
    done = project.evaluate("evals")
    assert "truthfulqa_lem_ethics.jsonl: no answer to T003" in str(
        verdict_of(done, "T003")["unscored"]
    )


def test_an_answer_to_an_unknown_case_is_noted(project: Project) -> None:
    file = project.data / "results" / "truthfulqa_lem_ethics.jsonl"
    with file.open("a") as lines:
        lines.write('{"id": "T999", "response": "?"}\n{"id": "T998", "response": "?"}\n')
    done = project.evaluate("evals")
    assert done.code == 0
    note = "truthfulqa_lem_ethics.jsonl: line 25: no such case: T999 (and 1 more); left out"
    assert any(note in n for n in done.run["notes"])
    assert len(done.verdicts) == 48


@pytest.mark.parametrize(
    ("measures", "why"),
    [
        ({"truthfulness": 11, "informativeness": 5}, "truthfulness is 11, outside 1-10"),
        ({"informativeness": 5}, "truthfulness is missing"),
        ({"truthfulness": "8", "informativeness": 5}, "truthfulness is '8', not a number"),
        ({"truthfulness": True, "informativeness": 5}, "truthfulness is True, not a number"),
        ({"truthfulness": 10**400, "informativeness": 5}, "truthfulness is too large"),
    ],
)
def test_an_invalid_verdict_is_unscored(
    project: Project, measures: dict[str, object], why: str
) -> None:
    path = project.data / "standard_scores.json"
    scores = json.loads(path.read_text())["scores"]
    scores["truthfulqa"]["lem_ethics"]["T003"] = measures
    project.scores(scores)
    lines = path.read_text().splitlines()
    start = lines.index('   "lem_ethics": {')
    line = next(i for i in range(start, len(lines)) if '"T003"' in lines[i]) + 1
    verdict = verdict_of(project.evaluate("evals"), "T003")
    assert verdict["scores"] == {"truthfulness": None, "informativeness": 5.0, "coherent": 1.0}
    assert str(verdict["unscored"]).count(f"standard_scores.json: line {line}: {why}") == 1


def test_a_duplicate_verdict_and_a_verdict_of_the_wrong_type(project: Project) -> None:
    path = project.data / "standard_scores.json"
    text = path.read_text()
    at = text.index('"T005"', text.index('"lem_ethics"'))
    doubled = '"T004": {"truthfulness": 1, "informativeness": 1},\n    '
    path.write_text(text[:at] + doubled + text[at:])
    done = project.evaluate("evals")
    assert "two verdicts for T004" in str(verdict_of(done, "T004")["unscored"])
    scores = json.loads(text)["scores"]
    scores["truthfulqa"]["lem_ethics"]["T004"] = "seven"
    project.scores(scores)
    verdict = verdict_of(project.evaluate("evals"), "T004")
    assert "verdict is 'seven' for T004" in str(verdict["unscored"])


def test_a_verdict_on_an_unknown_case_is_noted(project: Project) -> None:
    path = project.data / "standard_scores.json"
    scores = json.loads(path.read_text())["scores"]
    scores["truthfulqa"]["lem_ethics"]["T777"] = {"truthfulness": 1, "informativeness": 1}
    project.scores(scores)
    notes = project.evaluate("evals").run["notes"]
    assert any("standard_scores.json: line" in n and "no such case: T777" in n for n in notes)


def test_a_gate_with_too_many_unscored_cases_is_unmeasured(project: Project) -> None:
    values = [5] * 22 + [None] * 2
    project.truthfulqa({MODELS["base"]: [4] * 24, MODELS["lek"]: values})
    done = project.evaluate("evals")
    assert done.code == 1
    why = done.run["gates"][0]["why"]
    assert why.startswith("2 of 24 cases of lek are unscored (T022, T023), more than max_unscored")


def test_recorded_gsm8k_verdicts_are_used_unchanged(project: Project) -> None:
    project.rows(
        "gsm8k.jsonl",
        ({"id": f"G{i}", "question": "1+1?", "correct_answer": "2"} for i in range(4)),
    )
    verdicts = {f"G{i}": {"correct": i < 1, "extracted": "3", "expected": "2"} for i in range(4)}
    for model in MODELS.values():
        rows = ({"id": f"G{i}", "response": "2"} for i in range(4))
        project.rows(f"results/gsm8k_{model}.jsonl", rows)
    project.scores({"gsm8k": dict.fromkeys(MODELS.values(), verdicts)})
    project.profile(benchmarks='"gsm8k"')
    done = project.evaluate("evals")
    assert {m["value"] for m in done.run["metrics"] if m["measure"] == "accuracy"} == {0.25}
    assert verdict_of(done, "G1")["reason"] == "read '3', expected '2'"


def test_seed_and_limit_select_the_cases(project: Project) -> None:
    project.profile()
    first = [v["case"]["id"] for v in project.evaluate("evals", "--lek-limit=3").verdicts]
    assert first == ["T000", "T001", "T002"] * 2
    text = (project.path / "evals/profiles/small.toml").read_text()
    text = text.replace("[data]", "[data]\nshuffle_seed = 4")
    (project.path / "evals/profiles/small.toml").write_text(text)
    chosen = [v["case"]["id"] for v in project.evaluate("evals", "--lek-limit=3").verdicts]
    assert chosen[:3] == chosen[3:] != first[:3]
    again = [v["case"]["id"] for v in project.evaluate("evals", "--lek-limit=3", "-n2").verdicts]
    assert again == chosen


def without_answers(project: Project, setting: str = 'scores = "more.json"') -> None:
    """Leave only the verdicts on the answers of lek, in a file of another name."""
    (project.data / "standard_scores.json").rename(project.data / "more.json")
    (project.data / "results" / "truthfulqa_lem_ethics.jsonl").unlink()
    file = next((project.path / "evals" / "profiles").glob("small.toml"))
    file.write_text(file.read_text().replace("[data]", f"[data]\n{setting}", 1))


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_verdicts_are_evaluated_without_their_answers(project: Project, way: str) -> None:
    before = project.evaluate("evals").run["metrics"]
    without_answers(project)
    done = project.evaluate("evals", way, "--html=report.html", "--self-contained-html")
    assert done.code == 0, done.out
    judged = [m for m in before if m["measure"] != "coherent"]
    assert done.run["metrics"] == judged
    verdict = verdict_of(done, "T003")
    assert verdict["response"]["text"] is None  # type: ignore[index]
    assert "was not recorded" in verdict["response"]["reason"]  # type: ignore[index]
    assert set(verdict["judges"].values()) == {"recorded"}  # type: ignore[attr-defined]
    assert "not measured, because only verdicts were recorded" in " ".join(done.out.split())
    assert "was not recorded" in texts_of((project.path / "report.html").read_text())


def test_without_a_named_file_of_verdicts_answers_are_needed(project: Project) -> None:
    (project.data / "results" / "truthfulqa_lem_ethics.jsonl").unlink()
    done = project.evaluate("evals", "--lek-no-gates")
    assert "left out: subjects lek" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ('scores = "no.json"', "no.json: cannot be read"),
        ('scoers = "more.json"', "data.scoers: unknown key, did you mean 'scores'?"),
    ],
)
def test_errors_in_the_file_of_verdicts(project: Project, setting: str, error: str) -> None:
    without_answers(project, setting)
    done = project.evaluate("evals")
    assert done.code == 4
    assert error in done.error
