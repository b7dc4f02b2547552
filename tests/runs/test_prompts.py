"""The rendered prompts of a run: templates, a round trip, invalid files."""

import json
from pathlib import Path

import msgspec
import pytest
from support.runs import made_run, made_verdict

from lek.errors import BadInput
from lek.records import Case
from lek.report.cases import Cases
from lek.runs.prompts import RenderedPrompts
from lek.runs.run import PROMPTS, load_run, reserve_run, write_run

CASES = [Case(id=f"Q{n}", benchmark="truthfulqa", prompt=p) for n, p in enumerate(["a?", "b?", ""])]


def test_prompts_that_differ_by_their_case_share_a_template() -> None:
    texts = {"Q0": "<user>a?<end>", "Q1": "<user>b?<end>"}
    made = RenderedPrompts.of(CASES, texts)
    assert made == RenderedPrompts((("<user>", "<end>"),), {"Q0": 0, "Q1": 0})
    assert [made.text(case) for case in CASES] == ["<user>a?<end>", "<user>b?<end>", None]


@pytest.mark.parametrize(
    "rendered",
    ["<user>a?<end>", "a? a?", "", "other", "A?", "{prompt}a?", "[before][after]"],
)
def test_each_rendered_prompt_is_restored_exactly(rendered: str) -> None:
    for case in CASES:
        assert RenderedPrompts.of([case], {case.id: rendered}).text(case) == rendered


def test_a_run_keeps_them_and_the_report_shows_them(tmp_path: Path) -> None:
    run = made_run([made_verdict("base", n, {"truthfulness": 5.0}, prompt=f"q{n}") for n in (1, 2)])
    cases = [v.case for v in run.verdicts]
    texts = {"Q00001": "<s>q1</s>", "Q00002": "<s>q2</s>"}
    run.prompts = {"base": {"truthfulqa": RenderedPrompts.of(cases, texts)}}
    path = write_run(run, tmp_path / "run", reserve_run(tmp_path / "run", "run"))
    assert load_run(path).prompts == run.prompts
    ((_, block),) = Cases(load_run(path)).blocks()
    assert [case["answers"][0]["rendered"] for case in json.loads(block)] == list(texts.values())


@pytest.mark.parametrize(
    "content",
    [
        '{"base": {"truthfulqa": {"templates": [], "cases": {"Q1": 0}}}}',
        '{"base": {"truthfulqa": {"templates": [["a", "b", "c"]], "cases": {}}}}',
        '{"base": {"truthfulqa": {"templates": [["a"]], "cases": {"Q1": -1}}}}',
        '{"base": 1}',
        "{",
    ],
)
def test_an_invalid_file_is_one_line(tmp_path: Path, content: str) -> None:
    run = made_run([made_verdict("base", 0, {"truthfulness": 5.0})])
    path = write_run(run, tmp_path / "run", reserve_run(tmp_path / "run", "run"))
    assert not (path / PROMPTS).exists() and load_run(path).prompts == {}
    (path / PROMPTS).write_text(content)
    with pytest.raises(BadInput, match="not a run"):
        load_run(path)
    assert msgspec.json.encode(run.prompts) == b"{}"
