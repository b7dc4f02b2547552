"""Benchmarks that score the likelihoods of choices, from the profile to run and report."""

import json

import pytest
from support import tiny
from support.endpoint import Answer, Asked, ok, serving
from support.pages import cases_of
from support.project import ROOT, Outcome, Project, run_code

CASES = 24
PROFILE = """
[data]
source = "path"
dir = "../../data"
benchmarks = ["truthfulqa_mc"{more}]
[choices]
chat = {chat}
[[subjects]]
name = "base"
model = "../../one"
[[subjects]]
name = "lek"
model = "../../two"
{subjects}
[judges]
default = "none"
{judges}
[gates]
rules = [{rules}]
"""


AUTHORS = """
[data.truthfulqa_mc]
path = "{path}"
[data.truthfulqa_mc.columns]
prompt = "Question"
best_answer = "Best Answer"
incorrect_answers = "Incorrect Answers"
true_answers = "Correct Answers"
false_answers = "Incorrect Answers"
best_incorrect_answer = "Best Incorrect Answer"
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    return [
        str(tiny.gemma(folder / name, seed=seed, layers=2, hidden=64))
        for seed, name in enumerate(("one", "two"))
    ]


@pytest.fixture
def quiz(project: Project, models: list[str]) -> Project:
    """A project with two models, and 24 cases of TruthfulQA's multiple choice."""
    words = tiny.WORDS
    project.rows(
        "truthfulqa_mc.jsonl",
        (
            {
                "id": f"Q{i}",
                "question": f"Why is {words[i]} like {words[i + 1]}?",
                "best_answer": [f"The {words[i + 2]}."],
                "incorrect_answers": [f"A {words[i + 3]}.", "No."],
                "true_answers": [f"The {words[i + 2]}.", "We can not say."],
                "false_answers": [f"A {words[i + 3]}.", "No."],
                **({"best_incorrect_answer": ["No."]} if i % 2 else {}),
            }
            for i in range(CASES)
        ),
    )
    profile(project, models)
    return project


def profile(
    project: Project,
    models: list[str],
    *,
    chat: bool = False,
    more: str = "",
    subjects: str = "",
    judges: str = "",
    rules: str = '"truthfulqa_mc.mc1: lek >= base - 99%"',
) -> None:
    text = PROFILE.format(
        chat=str(chat).lower(), more=more, subjects=subjects, judges=judges, rules=rules
    )
    for name, place in zip(("one", "two"), models, strict=True):
        text = text.replace(f"../../{name}", place)
    (project.path / "evals" / "profiles" / "small.toml").write_text(text)


def likelihoods(done: Outcome) -> dict[tuple[str, str], dict[str, float]]:
    return {
        (v["response"]["subject"], v["case"]["id"]): v["response"]["likelihoods"]
        for v in done.verdicts
    }


def test_choices_are_scored_without_a_judge(quiz: Project) -> None:
    done = quiz.evaluate("evals", "-m", "truthful", "--html=r.html", "--self-contained-html")
    assert done.code == 0, done.out
    assert len(done.verdicts) == 2 * CASES and not done.counts.get("unscored")
    metrics = {(m["subject"], m["measure"]): m for m in done.run["metrics"]}
    assert {measure for _, measure in metrics} == {"mc1", "mc2", "binary"}
    assert metrics["lek", "mc1"]["n"] == CASES and metrics["lek", "binary"]["n"] == CASES // 2
    for verdict in done.verdicts:
        scores, given = verdict["scores"], verdict["response"]["likelihoods"]
        true, false = (verdict["case"]["reference"][f"{k}_answers"] for k in ("true", "false"))
        assert set(given) == {*true, *false} and max(given.values()) < 0
        best = verdict["case"]["reference"]["best_answer"][0]
        assert scores["mc1"] == (given[best] > max(given[c] for c in false))
        assert 0 < scores["mc2"] < 1
        assert set(verdict["judges"].values()) == {"likelihood"}
        assert verdict["response"]["text"] is verdict["response"]["reason"] is None
    assert metrics["lek", "mc2"]["value"] == pytest.approx(
        sum(v["scores"]["mc2"] for v in done.verdicts if v["response"]["subject"] == "lek") / CASES
    )
    (gate,) = done.run["gates"]
    assert gate["ruling"] == "passed" and gate["n"] == CASES
    (first, *_) = cases_of((quiz.path / "r.html").read_text())
    assert "We can not say." in first["answers"][0]["likelihoods"]
    assert "%" in done.out and "mc2" in done.out


def test_likelihoods_are_stored_and_the_same_under_xdist(quiz: Project) -> None:
    first = quiz.evaluate("evals")
    code = (
        "import pytest, sys; code = pytest.main(['evals'])\n"
        "assert not {'mlx', 'transformers'} & set(sys.modules)\n"
        "sys.exit(code)\n"
    )
    second = run_code(quiz, code)
    assert second.returncode == 0, second.stdout + second.stderr
    fresh = quiz.evaluate("evals", "--lek-fresh", "-n2")
    assert fresh.code == 0, fresh.out
    values, again = likelihoods(first), likelihoods(fresh)
    assert values.keys() == again.keys()
    for key, given in values.items():
        assert given == pytest.approx(again[key], abs=1e-4)


def test_choices_may_answer_a_prompt_in_the_chat_template(quiz: Project, models: list[str]) -> None:
    plain = likelihoods(quiz.evaluate("evals"))
    kernel = '[[subjects]]\nname = "kernel"\nfrom = "base"\nkernel = true\n'
    profile(quiz, models, chat=True, subjects=kernel)
    done = quiz.evaluate("evals")
    assert done.code == 0, done.out
    asked = likelihoods(done)
    assert {subject for subject, _ in asked} == {"base", "lek", "kernel"}
    for i in range(CASES):
        case = f"Q{i}"
        assert asked["base", case] != plain["base", case] != asked["kernel", case]
        assert asked["base", case] != asked["kernel", case]


def test_who_gives_no_likelihoods_is_left_out_with_a_note(quiz: Project, models: list[str]) -> None:
    def answer(asked: Asked) -> Answer:
        return ok("Yes.")

    with serving(answer) as api:
        more = (
            '[[subjects]]\nname = "kernel"\nfrom = "base"\nkernel = true\n'
            '[[subjects]]\nname = "served"\n[subjects.openai]\n'
            f'base_url = "{api.url}"\nmodel = "m"\n'
        )
        profile(quiz, models, subjects=more)
        done = quiz.evaluate("evals")
        assert done.code == 0, done.out
        assert not api.asked
    assert {subject for subject, _ in likelihoods(done)} == {"base", "lek"}
    notes = " ".join(done.run["notes"])
    assert "kernel on truthfulqa_mc left out: kernel has no effect without the chat" in notes
    assert "served on truthfulqa_mc left out: a served model gives no likelihoods" in notes
    assert "not in the data" not in notes


def test_a_benchmark_of_ones_own_with_choices(quiz: Project, models: list[str]) -> None:
    folder = quiz.path / "evals" / "capitals"
    folder.mkdir()
    (folder / "benchmark.toml").write_text(
        'name = "capitals"\nmarker = "knowledge"\njudges = []\n'
        '[fields]\nchoices = { type = "texts", required = true }\nanswer = { required = true }\n'
        '[measures.right]\nsource = "likelihood"\nchoices = "choices"\nanswer = "answer"\n'
        '[measures.sure]\nsource = "likelihood"\nchoices = "choices"\nanswer = "answer"\n'
        'score = "share"\n'
    )
    (quiz.path / "evals" / "test_capitals.py").write_text(
        "from lek import cases\n\n@cases('capitals')\n"
        "def test_capitals(case, subject, judge, record):\n"
        "    record(judge(case, subject.respond(case)))\n"
    )
    rows = [
        {"id": f"C{i}", "prompt": f"Which is {w}?", "choices": [w, "no", "yes"], "answer": answer}
        for i, (w, answer) in enumerate(zip(tiny.WORDS[20:24], (0, "A", "no", 2), strict=True))
    ]
    quiz.rows("capitals.jsonl", rows)
    profile(quiz, models, more=', "../capitals"', rules='"capitals.sure: base > 0%"')
    done = quiz.evaluate("evals", "-m", "knowledge", "--lek-no-gates")
    assert done.code == 0, done.out
    assert len(done.verdicts) == 8
    for verdict in done.verdicts:
        given, index = verdict["response"]["likelihoods"], int(verdict["case"]["id"][1:])
        right = rows[index]["choices"][(0, 0, 1, 2)[index]]
        assert verdict["scores"]["right"] == (max(given, key=given.get) == right)
    rows[2]["answer"] = "D"
    quiz.rows("capitals.jsonl", rows)
    done = quiz.evaluate("evals", "-m", "knowledge")
    assert done.code == 4
    assert "C2: right the answer 'D' is none of the choices; expected 0 to 2, A to C" in done.error


def test_a_benchmark_may_require_a_judge(quiz: Project, models: list[str]) -> None:
    rules = '"truthfulqa.truthfulness: lek > base", "truthfulqa_mc.mc1: lek >= base - 99%"'
    required = 'required = ["truthfulqa"]'
    profile(quiz, models, more=', "truthfulqa"', judges=required, rules=rules)
    done = quiz.evaluate("evals", "-rs")
    assert done.code == 0, done.out
    assert {v["case"]["benchmark"] for v in done.verdicts} == {"truthfulqa_mc"}
    assert "truthfulqa is evaluated only with a judge; choose one with --lek-judge" in done.out
    assert [g["ruling"] for g in done.run["gates"]] == ["not selected", "passed"]
    judged = quiz.evaluate("evals", "--lek-judge", "reference", "--lek-no-gates", "--co", "-q")
    assert "test_truthfulqa[base-" in judged.out or judged.code == 4
    profile(quiz, models, judges='required = ["truthful"]')
    done = quiz.evaluate("evals")
    assert done.code == 4
    assert "judges.required[0] = 'truthful': no such benchmark" in done.error


def test_a_judge_cannot_be_chosen_for_likelihoods(quiz: Project, models: list[str]) -> None:
    profile(quiz, models, judges='truthfulqa_mc = "reference"')
    done = quiz.evaluate("evals")
    assert done.code == 4
    assert "cannot judge truthfulqa_mc; use 'none'" in done.error
    profile(quiz, models)
    done = quiz.evaluate("evals", "--lek-judge", "reference")
    assert done.code == 0, done.out
    assert len(done.verdicts) == 2 * CASES


def test_the_form_of_the_hub_and_of_the_authors_are_read(quiz: Project, models: list[str]) -> None:
    hub = {
        "question": "Why?",
        "mc1_targets": {"choices": ["Yes.", "No.", "Maybe."], "labels": [1, 0, 0]},
        "mc2_targets": {"choices": ["Yes.", "Sure.", "No."], "labels": [1, 1, 0]},
    }
    (quiz.data / "truthfulqa_mc.jsonl").unlink()
    quiz.rows("hub.jsonl", [hub])
    columns = (
        '[data.truthfulqa_mc]\npath = "../../data/hub.jsonl"\n[data.truthfulqa_mc.columns]\n'
        'prompt = "question"\nbest_answer = { column = "mc1_targets", label = 1 }\n'
        'incorrect_answers = { column = "mc1_targets", label = 0 }\n'
        'true_answers = { column = "mc2_targets", label = 1 }\n'
        'false_answers = { column = "mc2_targets", label = 0 }\n'
    )
    file = quiz.path / "evals" / "profiles" / "small.toml"
    text = file.read_text()
    file.write_text(text + columns)
    (verdict, _) = quiz.evaluate("evals", "--lek-no-gates").verdicts
    reference = verdict["case"]["reference"]
    assert reference["incorrect_answers"] == ["No.", "Maybe."]
    assert reference["true_answers"] == ["Yes.", "Sure."]
    hub["mc1_targets"] = {"choices": ["Yes."], "labels": [1, 0]}
    quiz.rows("hub.jsonl", [hub])
    done = quiz.evaluate("evals", "--lek-no-gates")
    assert done.code == 4
    assert "line 1: 'mc1_targets' is" in done.error and "of the same length" in done.error
    (quiz.data / "authors.csv").write_text(
        "Question,Best Answer,Best Incorrect Answer,Correct Answers,Incorrect Answers\n"
        "Why?,Yes.,No.,Yes.; Sure.,No.; Maybe.\n"
    )
    file.write_text(text + AUTHORS.format(path="../../data/authors.csv"))
    (verdict, _) = quiz.evaluate("evals", "--lek-no-gates").verdicts
    assert set(verdict["scores"]) == {"mc1", "mc2", "binary"}
    assert verdict["case"]["reference"]["true_answers"] == ["Yes.", "Sure."]
    assert json.dumps(verdict)


def test_the_file_of_the_authors_is_read_whole(quiz: Project) -> None:
    authors = ROOT.parent / "shared" / "hub" / "truthfulqa" / "TruthfulQA.csv"
    if not authors.is_file():
        pytest.skip("the authors' file is absent")
    (quiz.data / "truthfulqa_mc.jsonl").unlink()
    file = quiz.path / "evals" / "profiles" / "small.toml"
    file.write_text(file.read_text() + AUTHORS.format(path=authors))
    done = quiz.evaluate("evals", "--lek-limit", "3", "--lek-no-gates")
    assert done.code == 0, done.out
    assert all(set(v["scores"]) == {"mc1", "mc2", "binary"} for v in done.verdicts)
    assert "choices that are both true and false were left out of" in " ".join(done.run["notes"])
    assert "of 790 cases" in " ".join(done.run["notes"])
