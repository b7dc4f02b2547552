"""Bad input: exit code 4 and a one-line error with the file, the key or line, and what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.project import Project

GOOD = """
[data]
source = "lem"
dir = "../../data"
benchmarks = ["truthfulqa"]
[[subjects]]
name = "base"
recorded = "instruction_tuned"
[[subjects]]
name = "lek"
recorded = "lem_ethics"
[judges]
default = "recorded"
[gates]
rules = ["truthfulqa.truthfulness: lek > base"]
"""


def edit(old: str, new: str) -> Callable[[Project], list[str]]:
    """An error in the profile: ``old`` is replaced by ``new``."""

    def change(project: Project) -> list[str]:
        assert old in GOOD
        (project.path / "evals/profiles/small.toml").write_text(GOOD.replace(old, new))
        return []

    return change


def rule(text: str) -> Callable[[Project], list[str]]:
    """An error in a gate rule."""
    return edit("truthfulqa.truthfulness: lek > base", text)


def option(*arguments: str) -> Callable[[Project], list[str]]:
    """An error on the command line; ``{}`` is the project's directory."""
    return lambda project: [a.format(project.path) for a in arguments]


def file(name: str, text: str | None, *, at: int | None = None) -> Callable[[Project], list[str]]:
    """An error in a data file: ``text`` is its content or line ``at``; ``None`` deletes it."""

    def change(project: Project) -> list[str]:
        path = project.data / name
        if text is None:
            path.unlink()
        elif at is None:
            path.write_text(text)
        else:
            lines = path.read_text().splitlines()
            lines[at - 1] = text
            path.write_text("\n".join(lines) + "\n")
        return []

    return change


def case(**fields: object) -> str:
    """A line of truthfulqa.jsonl with some fields changed (``None`` deletes a field)."""
    texts = {"best_answer": "a", "correct_answers": ["a"], "incorrect_answers": ["b"]}
    row = {"id": "T000", "question": "q?", **texts, **fields}
    return json.dumps({k: v for k, v in row.items() if v is not None})


PROFILE, CASES = "small.toml", "truthfulqa.jsonl"
ANSWERS, SCORES = "results/truthfulqa_lem_ethics.jsonl", "standard_scores.json"
BAD = {
    "unknown profile": (
        option("--lek-profile", "smal"),
        ["--lek-profile smal: no such profile; did you mean 'small'?"],
    ),
    "unknown profile path": (option("--lek-profile", "x/y.toml"), ["x/y.toml: no such file"]),
    "misspelt key": (
        edit("rules =", "min_case = 3\nrules ="),
        [PROFILE, "gates.min_case: unknown key, did you mean 'min_cases'?"],
    ),
    "misspelt table": (
        edit("[judges]", "[judge]"),
        [PROFILE, "judge: unknown key, did you mean 'judges'?"],
    ),
    "key of a subject": (
        edit('recorded = "lem_ethics"', 'record = "lem_ethics"'),
        [
            PROFILE,
            "subjects[1]: has none of recorded, model, from, openai; record: unknown key",
            "did you mean 'recorded'?",
        ],
    ),
    "broken TOML": (edit("[gates]", "[gates"), [PROFILE, "not TOML", "line 14"]),
    "wrong type": (
        edit("rules =", 'min_cases = "twenty"\nrules ='),
        [PROFILE, "gates.min_cases = 'twenty'", "integer"],
    ),
    "out of range": (
        edit("rules =", "max_unscored = 5\nrules ="),
        [PROFILE, "gates.max_unscored = 5", "less than or equal to 1"],
    ),
    "unknown source": (
        edit('source = "lem"', 'source = "lemm"'),
        [PROFILE, "data.source = 'lemm'", "did you mean 'lem'?"],
    ),
    "unknown benchmark": (
        edit('["truthfulqa"]', '["truthfulq"]'),
        [PROFILE, "data.benchmarks[0] = 'truthfulq'", "did you mean 'truthfulqa'?"],
    ),
    "no benchmark": (
        edit('["truthfulqa"]', "[]"),
        [PROFILE, "data.benchmarks: empty; name at least one"],
    ),
    "unknown judge": (
        edit('default = "recorded"', 'default = "recordet"'),
        [PROFILE, "judges.default = 'recordet'", "did you mean 'recorded'?"],
    ),
    "unsuitable judge": (
        edit('default = "recorded"', 'default = "exact"'),
        [
            PROFILE,
            "judges.default = 'exact'",
            "cannot judge truthfulqa; use one of recorded, reference, ",
        ],
    ),
    "one model as two subjects": (
        edit('recorded = "lem_ethics"', 'recorded = "instruction_tuned"'),
        [PROFILE, "subjects[1].recorded: 'instruction_tuned' is already used by base"],
    ),
    "key twice in a line": (
        file(ANSWERS, '{"id": "T006", "response": "a", "response": "b"}', at=7),
        [ANSWERS, 'line 7: "response" is given twice'],
    ),
    "too long number": (
        file(ANSWERS, '{"id": "T006", "elapsed_seconds": ' + "9" * 5000 + "}", at=7),
        [ANSWERS, "line 7: not JSON: a number with too many digits"],
    ),
    "duplicate subject": (
        edit('name = "lek"', 'name = "base"'),
        [PROFILE, "subjects[1].name: 'base' is already used", "rename"],
    ),
    "bad subject name": (
        edit('name = "lek"', 'name = "l e k"'),
        [PROFILE, "subjects[1].name = 'l e k'"],
    ),
    "unknown baseline": (
        edit("[data]", 'baseline = "bass"\n[data]'),
        [PROFILE, "baseline = 'bass': no such subject, did you mean 'base'?"],
    ),
    "no data dir": (edit('dir = "../../data"\n', ""), [PROFILE, "data.dir: missing", "--lek-data"]),
    "missing data dir": (
        edit("../../data", "../../dada"),
        [PROFILE, "data.dir = '../../dada': no such directory"],
    ),
    "missing --lek-data": (option("--lek-data", "{}/nowhere"), ["nowhere: no such directory"]),
    "--lek-data is a file": (
        option("--lek-data", "{}/pytest.ini"),
        ["pytest.ini: not a directory"],
    ),
    "--lek-data is empty": (
        option("--lek-data", "{}/evals"),
        ["nothing to evaluate", "truthfulqa.jsonl", "results/truthfulqa_instruction_tuned.jsonl"],
    ),
    "zero limit": (option("--lek-limit", "0"), ["--lek-limit 0: must be 1 or more"]),
    "out is a file": (
        option("--lek-out", "{}/pytest.ini"),
        ["pytest.ini: a file; name a new directory"],
    ),
    "out is in use": (option("--lek-out", "{}/evals"), ["evals: a directory that is not empty"]),
    "unwritable out": (
        option("--lek-out", "{}/pytest.ini/out"),
        ["pytest.ini/out: cannot be written", "name another"],
    ),
    "gate that does not parse": (
        rule("truthfulness: lek beats base"),
        [PROFILE, "gates.rules[0] = 'truthfulness: lek beats base': not a rule; expected"],
    ),
    "unknown measure": (
        rule("truthfulqa.truthfullness: lek > base"),
        [PROFILE, "gates.rules[0]", "no measure 'truthfullness', did you mean 'truthfulness'?"],
    ),
    "gate on another benchmark": (
        rule("gsm8k.accuracy: lek > base"),
        [PROFILE, "gates.rules[0]", "no benchmark 'gsm8k'; the profile has truthfulqa"],
    ),
    "gate on an unknown subject": (
        rule("truthfulqa.truthfulness: leek > base"),
        [PROFILE, "no subject 'leek', did you mean 'lek'?"],
    ),
    "gate against itself": (
        rule("truthfulqa.truthfulness: lek > lek"),
        [PROFILE, "name two subjects"],
    ),
    "gate in the wrong unit": (
        rule("truthfulqa.truthfulness: lek >= base - 15%"),
        [PROFILE, "15% on a 1-10 scale; give points"],
    ),
    "gate off the scale": (
        rule("truthfulqa.truthfulness: lek >= 45"),
        [PROFILE, "45 is outside truthfulness's 1-10"],
    ),
    "gate twice": (
        rule('truthfulqa.truthfulness: lek > base", "truthfulqa.truthfulness:  lek >  base'),
        [PROFILE, "gates.rules[1]", "is listed twice"],
    ),
    "benchmark without cases": (file(CASES, ""), [CASES, "no cases"]),
    "broken JSON line": (
        file(CASES, "{oops", at=3),
        [CASES, "line 3: not JSON", "correct or delete"],
    ),
    "cut off case": (file(CASES, case() + '\n{"id": "T0'), [CASES, "line 2: incomplete"]),
    "case without id": (file(CASES, case(id=None), at=2), [CASES, "line 2: id is None"]),
    "case id unfit for a test": (
        file(CASES, case(id="a[b]"), at=2),
        [CASES, "line 2: id is 'a[b]'"],
    ),
    "case id twice": (
        file(CASES, case(), at=5),
        [CASES, "line 5: id T000 is already used in line 1"],
    ),
    "case without prompt": (
        file(CASES, case(id="T003", question=" "), at=4),
        [CASES, 'line 4: no text in "question"'],
    ),
    "case of another benchmark": (
        file(CASES, case(benchmark="gsm8k"), at=1),
        [CASES, "line 1: benchmark is 'gsm8k'"],
    ),
    "case with a lone surrogate": (
        file(CASES, case(question="\ud800"), at=1),
        [CASES, "line 1: contains a lone surrogate"],
    ),
    "scores nested too deeply": (
        file(SCORES, '{"scores": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        [SCORES, "nested too deeply"],
    ),
    "reference of a wrong type": (
        file(CASES, case(correct_answers="a"), at=1),
        [CASES, "line 1: \"correct_answers\" is 'a'; expected a list of texts"],
    ),
    "broken answer": (file(ANSWERS, "nonsense", at=7), [ANSWERS, "line 7: not JSON"]),
    "answer that is a list": (
        file(ANSWERS, "[]", at=7),
        [ANSWERS, "line 7: a JSON list", "object"],
    ),
    "missing scores": (file(SCORES, None), [SCORES, "cannot be read: No such file"]),
    "broken scores": (file(SCORES, '{"scores": {\n"a": }}'), [SCORES, "line 2: not JSON"]),
    "scores of another shape": (file(SCORES, "[]"), [SCORES, 'expected {"scores"']),
    "scores of a benchmark as list": (
        file(SCORES, '{"scores": {"truthfulqa": []}}'),
        [SCORES, "scores.truthfulqa: a list; expected one object"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), BAD.values(), ids=BAD)
def test_bad_input_is_a_one_line_error_with_exit_code_4(
    project: Project, change: Callable[[Project], list[str]], expected: list[str]
) -> None:
    (project.path / "evals/profiles/small.toml").write_text(GOOD)
    arguments = change(project)
    done = project.evaluate("evals", *arguments)
    assert done.code == 4, done.out
    for part in expected:
        assert part in done.error
    assert "Traceback" not in done.out
    assert not list(project.path.glob(".lek/runs/*"))


@pytest.mark.parametrize(
    "way", [["-n2"], ["--collect-only"], ["-p", "no:xdist"], ["evals/test_gsm8k.py"]]
)
def test_the_error_does_not_depend_on_how_tests_are_run(project: Project, way: list[str]) -> None:
    done = project.evaluate(
        *(way if way[0].startswith("evals") else ["evals", *way]), "--lek-limit=-1"
    )
    assert done.code == 4
    assert done.error == "--lek-limit -1: must be 1 or more"


def test_error_without_a_profile(project: Project) -> None:
    (project.path / "pytest.ini").write_text("[pytest]\n")
    done = project.evaluate("evals")
    assert done.code == 4
    message = "no profile; give --lek-profile NAME or set lek_profile in pytest.ini"
    assert done.error == f"@cases('ethics'): {message}"


def test_a_bad_profile_does_not_affect_other_tests(project: Project, tmp_path: Path) -> None:
    (project.path / "evals/profiles/small.toml").write_text("nonsense")
    (project.path / "other").mkdir()
    (project.path / "other" / "test_other.py").write_text("def test_other(): pass\n")
    assert project.evaluate("other").code == 0
    assert project.evaluate("other", "-n2").code == 0
    assert project.evaluate("--help").code == 0


def test_benchmarks_outside_evals(project: Project) -> None:
    (project.path / "mine").mkdir()
    (project.path / "mine" / "test_mine.py").write_text(
        (project.path / "evals/test_truthfulqa.py").read_text()
    )
    done = project.evaluate("mine", "-n2")
    assert done.code == 0, done.out
    assert len(done.verdicts) == 48
    (project.path / "evals/profiles/small.toml").write_text("nonsense")
    done = project.evaluate("mine")
    assert done.code != 0
    assert "small.toml: not TOML" in done.out


def test_unknown_benchmark_in_a_test_module(project: Project) -> None:
    (project.path / "evals" / "test_gsm8k.py").write_text(
        "from lek import cases\n\n@cases('gsm8')\ndef test_x(case, subject): pass\n"
    )
    done = project.evaluate("evals")
    assert done.code == 2
    assert "no such benchmark, did you mean 'gsm8k'?" in done.out
