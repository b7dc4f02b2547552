"""Model cards: metadata that the hub's library reads back, and hostile texts without effect."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from markdown_it import MarkdownIt
from markdown_it.token import Token
from support.project import MODELS, Project

from lek.errors import BadInput
from lek.export.card import model_card, subject_of
from lek.records import Ruling
from lek.runs.run import Run, load_run

SCHEMA_1 = Path(__file__).parents[1] / "runs" / "schema-1"
LORA = {"data": "train", "iters": 200, "learning_rate": 1e-5}


@pytest.fixture
def run(project: Project) -> Run:
    """A run with recorded answers of base and lek to truthfulqa, and two gates."""
    (directory,) = project.evaluate("evals").runs
    return load_run(directory)


def changed(run: Run, name: str) -> Run:
    """``run`` with ``name`` in the place of lek."""

    def renamed(subject: str) -> str:
        return name if subject == "lek" else subject

    metrics = [msgspec.structs.replace(m, subject=renamed(m.subject)) for m in run.metrics]
    verdicts = []
    for verdict in run.verdicts:
        subject = renamed(verdict.response.subject)
        response = msgspec.structs.replace(verdict.response, subject=subject)
        verdicts.append(msgspec.structs.replace(verdict, response=response))
    return Run(run.facts, metrics, run.gates, verdicts)


def made(run: Run, *settings: dict[str, Any], **description: Any) -> Run:
    """``run`` with these ``settings`` of subjects, the last of which is lek, as described."""
    profile = run.facts["profile"]
    content = {**profile["content"], "subjects": list(settings)}
    described = {"name": "lek", "recipe": settings[-1], **description}
    facts = {**run.facts, "profile": {**profile, "content": content}, "subjects": [described]}
    return Run(facts, run.metrics, run.gates, run.verdicts)


def test_metadata_is_read_back(run: Run) -> None:
    text = model_card(run, "lek")
    card = ModelCard(text)
    assert str(card) == text
    data = card.data
    assert (data.language, data.pipeline_tag, data.tags) == ("en", "text-generation", ["lem"])
    assert (data.library_name, data.base_model, data.license) == (None, None, None)
    assert data.model_name == "lek"
    expected = [(m.measure, m.value) for m in run.metrics if m.subject == "lek"]
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == expected
    assert {r.dataset_type for r in data.eval_results} == {"truthfulqa.jsonl"}
    assert data.eval_results[0].metric_name == "truthfulqa.truthfulness on a scale of 1-10, n = 24"
    index = eval_results_to_model_index("lek", data.eval_results)
    assert model_index_to_eval_results(index) == ("lek", data.eval_results)
    assert "verified" not in text


def test_the_text_has_claims_numbers_and_limits(run: Run, project: Project) -> None:
    text = ModelCard(model_card(run, "lek")).text
    lines = text.splitlines()
    claim = "- **PASSED**: lek is 2.21 above base in truthfulness (truthfulqa; 95% CI: 2.03 to 2.38"
    assert any(line.startswith(claim) for line in lines)
    assert "| truthfulqa | truthfulness | 1-10 | 6.71 \\[6.22, 7.20\\] | +2.21 " in text
    assert (
        "| truthfulqa | truthfulqa.jsonl | truthfulness, informativeness | recorded verdi" in text
    )
    assert f"as those of {MODELS['lek']}".replace("_", "\\_") in text
    assert "there are 24 per measure" in text
    assert "incomplete" not in text
    assert str(project.path) not in text


def test_the_baseline_has_no_difference(run: Run) -> None:
    text = model_card(run, "base")
    assert "difference" not in text
    assert "lek is 2.21 above base" in text  # a claim on base, too


def test_data_sets_of_the_hub_are_named(run: Run) -> None:
    source = {"dataset": "a/b", "config": "generation", "split": "test", "revision": "c" * 40}
    run.facts["data"]["sets"]["truthfulqa"] = source
    text = model_card(run, "lek")
    result = ModelCard(text).data.eval_results[0]
    assert (result.dataset_type, result.dataset_name) == ("a/b", "a/b")
    assert (result.dataset_config, result.dataset_split) == ("generation", "test")
    assert result.dataset_revision == "c" * 40
    assert f"| a/b generation/test {'c' * 12} |" in text


@pytest.mark.parametrize(
    ("model", "base_model"),
    [
        ("google/gemma-3-1b-it", "google/gemma-3-1b-it"),
        ("../../sandbox/base", None),
        ("lek:sandbox/base", None),
        ("model.gguf", None),
    ],
)
def test_how_a_model_was_built(run: Run, model: str, base_model: str | None) -> None:
    base = {"name": "base", "model": model}
    stage = {"first_loss": 2.0, "last_loss": 0.5, "digest": "d1"}
    facts = {"fingerprint": "f1", "form": "float32", "build": {"lora": [stage], "blas": "x"}}
    lek = {"name": "lek", "from": "base", "lora": [LORA], "system": None}
    text = model_card(made(run, base, lek, **facts), "lek")
    data = ModelCard(text).data
    assert data.base_model == base_model
    assert (data.library_name, data.tags) == ("mlx", ["lem", "mlx"])
    for part in ("Fingerprint: f1", '"learning_rate": 1e-05', f'"model": "{model}"', '"d1"'):
        assert part in text
    assert '"system"' not in text


def test_the_address_of_a_server_is_left_out(run: Run) -> None:
    settings = {"model": "big", "base_url": "http://10.0.0.7/v1", "key": "MY_KEY"}
    lek = {"name": "lek", "openai": settings}
    server = {"base_url": "http://10.0.0.7/v1", "model": "big", "reported": ["big"]}
    text = model_card(made(run, lek, fingerprint="f", server=server), "lek")
    assert "through an API, as big." in text
    assert "10.0.0.7" not in text and "MY_KEY" not in text
    assert ModelCard(text).data.library_name is None


def test_limits_name_what_a_reader_must_know(run: Run) -> None:
    settings = {"measures": ["truthfulness"], "model": "a-judge", "votes": 3, "digest": "0"}
    run.facts["protocol"] = {"truthfulqa": {"openai": settings, "reference": {"measures": []}}}
    run.facts["data"]["limit"] = 24
    run.facts["counts"] |= {"planned": 96, "pending": 2}
    run.metrics[:] = [msgspec.structs.replace(m, unscored=1) for m in run.metrics]
    text = model_card(run, "lek")
    assert "| truthfulness | openai (a-judge, 3 votes) | 0 |" in text
    limits = text.partition("## Limits of these numbers\n\n")[2]
    assert [line[:24] for line in limits.splitlines()] == [
        "- The intervals are abou",
        "- Only the first 24 case",
        "- The run is incomplete:",
        "- 2 answers of the run c",
        "- Means leave out unscor",
        "- A language model judge",
        "- Scores by reference an",
    ]


def test_runs_of_earlier_versions_and_without_scores() -> None:
    run = load_run(SCHEMA_1)
    text = model_card(run, subject_of(run))
    assert len(ModelCard(text).data.eval_results) == 3
    assert "**PASSED** (do\\_not\\_answer.nuance: lek &gt; base): lek is +4.08" in text
    run.metrics[:] = [
        msgspec.structs.replace(m, value=None, low=None, high=None, n=0, change=None)
        for m in run.metrics
    ]
    assert not ModelCard(model_card(run, "lek")).data.eval_results


def test_the_subject_of_a_card(run: Run) -> None:
    assert subject_of(run) == "lek"
    assert subject_of(run, "base") == "base"
    with pytest.raises(BadInput, match="--subject lke: no such subject, did you mean 'lek'"):
        subject_of(run, "lke")
    more = [*run.metrics, msgspec.structs.replace(run.metrics[0], subject="other")]
    several = Run(run.facts, more, run.gates, run.verdicts)
    with pytest.raises(BadInput, match="with --subject; the run has lek, other"):
        subject_of(several)
    alone = Run(run.facts, [m for m in more if m.subject == "base"], [], [])
    assert subject_of(alone) == "base"
    with pytest.raises(BadInput, match="the run has none"):
        subject_of(Run(run.facts, [], [], []))


ATTACKS = [
    "<script>alert(1)</script>",
    "</td><img src=x onerror=alert(1)>",
    "<!-- ",
    "x\n---\nlicense: mit\n---\n# y",
    "--- \n...\n---",
    "a: b\nc: [d",
    "'\"}: !!python/object:os.system {% raw %}{{ 7 * 7 }}",
    "![i](http://evil.example/x.png)",
    "[a](javascript:alert(1)) [b]: http://evil.example",
    "[^1]: note\n\n[^1]",
    "<http://evil.example> https://evil.example www.evil.example a@evil.example",
    "@everyone #1 :tada: $x$ $$y$$",
    "```\n<b>\n```\n~~~",
    "`` ` `` *a* _b_ **c** ~~d~~ __e__",
    "| a | b |\n| --- | --- |\n| c | d |",
    "a \\| b \\",
    "\n\n# heading\n- item\n1. item\n> quote\n    code\n***",
    "&lt;script&gt; &#60;b&#62;",
    "\x1b[31m\x00\u202e\u2028\x85",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_texts_of_a_run_have_no_effect(run: Run, attack: str) -> None:
    for name, plain_name in (("lek", "lek"), (attack, "plain")):
        harmless = ModelCard(model_card(_with_text(run, "plain", plain_name), plain_name))
        text = model_card(_with_text(run, attack, name), name)
        card = ModelCard(text)
        assert card.data.to_dict().keys() == harmless.data.to_dict().keys()
        assert len(card.data.eval_results) == len(harmless.data.eval_results)
        assert structure(card.text) == structure(harmless.text)
        assert "<" not in card.text
        outside_code = re.sub(r"^```json.*?^```", "", card.text, flags=re.M | re.S)
        assert not re.search(r"https?://|\bwww\.", outside_code)
        assert all(c.isprintable() or c == "\n" for c in text)


def _with_text(run: Run, text: str, name: str) -> Run:
    """``run`` with ``text`` in the place of all texts that a card shows, and ``name`` of lek."""
    why = f"lek is 2.00 above base in truthfulness ({text})"
    gates = [
        Ruling(rule="truthfulqa.truthfulness: lek > base", ruling="passed", why=why, difference=2),
        Ruling(rule=f"truthfulqa.truthfulness: lek > base{text}", ruling="unmeasured", why=text),
    ]
    content = {
        "description": text,
        "baseline": "base",
        "subjects": [
            {"name": "origin", "model": text},
            {"name": name, "from": "origin", "lora": [{"data": text}]},
        ],
    }
    build = {"lora": [{"notes": [text]}]}
    facts: dict[str, Any] = {
        "commit": text,
        "finished": text,
        "versions": {"lek": text},
        "data": {"limit": None, "sets": {"truthfulqa": dict.fromkeys(DATA_SET, text)}},
        "protocol": {"truthfulqa": {text: {"model": text, "digest": text}}},
        "profile": {"name": text, "content": content},
    }
    subject = {"name": name, "recipe": {}, "fingerprint": text, "form": text, "build": build}
    hostile = changed(run, name)
    facts = {**hostile.facts, **facts, "subjects": [subject]}
    return Run(facts, hostile.metrics, gates, hostile.verdicts)


DATA_SET = ("dataset", "config", "split", "revision")


def structure(markdown: str) -> list[str]:
    """The kinds of elements in ``markdown``, without texts."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def kinds(tokens: list[Token]) -> list[str]:
        found = []
        for token in tokens:
            found += [token.type, *kinds(token.children or [])]
        return [kind for kind in found if kind not in ("text", "text_special")]

    return kinds(parser.parse(markdown))
