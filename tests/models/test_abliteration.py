"""Abliteration: properties that hold for any weights, and the effects on the sandbox's model."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from support import tiny  # loads the BLAS, so it comes before mlx.core

# isort: split
import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from support.project import ROOT

from lek.data.prompts import read_prompts
from lek.errors import BadInput
from lek.models.abliteration.directions import candidates, positions, rendered, residuals
from lek.models.abliteration.effects import Answer, AnsweredPrompts, Effects, opening
from lek.models.abliteration.projection import (
    Site,
    edited,
    leak,
    projector,
    put,
    removed,
    sites,
    swapped,
)
from lek.models.abliteration.search import abliterate, split
from lek.models.hooks import with_forward_hooks
from lek.models.weights import Loaded, NumericFormat, load
from lek.profile.schema import Abliterate

RIDGE = 0.01
ORTHOGONAL = 1e9  # a ridge so large that p is parallel to Dr: plain orthogonal projection
SANDBOX = ROOT / "sandbox"
MODELS: dict[str, Callable[[Path], Path]] = {
    "gemma3": partial(tiny.gemma, sigma=0.5),
    "gemma3 spread": partial(tiny.gemma, sigma=1.0),
    "gemma2": partial(tiny.llama, sigma=0.5, model_type="gemma2"),
    "gemma3 multimodal": partial(tiny.gemma3, sigma=0.5),
    "gemma3n": partial(tiny.gemma3n, sigma=0.5),
    "llama": partial(tiny.llama, sigma=0.5),
    "untied": partial(tiny.llama, sigma=0.5, tie_word_embeddings=False),
    "llama with biases": partial(tiny.llama, sigma=0.5, attention_bias=True, mlp_bias=True),
    "olmo2": partial(tiny.llama, sigma=0.5, model_type="olmo2"),
    "mistral": partial(tiny.llama, sigma=0.5, model_type="mistral"),
    "phi3": partial(tiny.llama, sigma=0.5, model_type="phi3"),
    "qwen2": partial(tiny.llama, sigma=0.5, model_type="qwen2"),
    "qwen3": partial(tiny.llama, sigma=0.5, model_type="qwen3"),
    "smollm3": partial(tiny.llama, sigma=0.5, model_type="smollm3"),
}


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def direction(seed: int = 0, hidden: int = 128) -> Any:
    """Return a random unit vector."""
    drawn = np.random.default_rng(seed).standard_normal(hidden)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def ids(seed: int = 0, lengths: tuple[int, ...] = (24, 24, 24, 24)) -> list[list[int]]:
    """Return rows of random token ids."""
    rng = np.random.default_rng(seed)
    return [rng.integers(6, 200, n).tolist() for n in lengths]


def kl(before: mx.array, after: mx.array) -> float:
    """Return KL(before || after) of logits in nat, averaged over all positions."""
    p, q = (a - mx.logsumexp(a, axis=-1, keepdims=True) for a in (before, after))
    return float((mx.exp(p) * (p - q)).sum(-1).mean())


def written_along(model: Any, r: Any) -> float:
    """Return the largest share along ``r`` of what a block adds to the residual stream."""
    states = np.stack([s for _, s in residuals(model, ids(), 24)])
    added = np.diff(states, axis=1)
    return float((np.abs(added @ r) / np.linalg.norm(added, axis=-1)).max())


def weights(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return a copy of all parameters."""
    return {k: np.array(v.astype(mx.float32)) for k, v in tree_flatten(model.parameters())}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(MODELS[request.param](tmp_path_factory.mktemp("model"))).model


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tiny.gemma(tmp_path_factory.mktemp("gemma"), sigma=0.5))


def test_no_block_writes_along_the_direction(model: Any) -> None:
    r, found = direction(), sites(model)
    before = written_along(model, r)
    assert before > 0.1
    # Gemma 3n's blocks also pass on their normed input, which no edit of a linear layer changes
    most = before / 2 if model.model_type == "gemma3n" else 1e-4
    with swapped(edited(found, r, RIDGE)):
        assert leak(model, found, r, ids()) < 1e-4
        assert written_along(model, r) < most
    assert written_along(model, r) == before


def test_a_run_time_edit_is_the_edit_of_weights(model: Any) -> None:
    r, found, batch = direction(), sites(model), mx.array(ids())
    with swapped(edited(found, r, RIDGE)):
        edit = model(batch)
        mx.eval(edit)
    with removed(found, r, RIDGE):
        run_time = model(batch)
        mx.eval(run_time)
    assert float(mx.abs(edit - run_time).max()) < 1e-3
    assert float(mx.abs(model(batch) - run_time).max()) > 0.1


def test_removing_r_itself_before_a_norm_is_not_enough(gemma: Loaded) -> None:
    r, found = direction(), sites(gemma.model)
    blind = [Site(site.linear) for site in found]
    with swapped(edited(blind, r, RIDGE)):
        assert leak(gemma.model, found, r, ids()) > 0.05


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_the_ridge_is_nearer_to_run_time_ablation(tmp_path: Path, sigma: float) -> None:
    for seed in range(3):
        model = load(tiny.gemma(tmp_path / str(seed), seed=seed, sigma=sigma)).model
        r, found, batch = direction(seed), sites(model), mx.array(ids(seed))
        logits = []
        run_time = removed([Site(site.written) for site in found], r, 0.0)  # r out of every write
        for edit in (run_time, *(removed(found, r, x) for x in (RIDGE, ORTHOGONAL))):
            with edit:
                logits.append(model(batch))
                mx.eval(logits)
        hook, ridge, orthogonal = logits
        assert kl(hook, ridge) < 0.2 * kl(hook, orthogonal)


def test_only_the_two_projections_of_each_block_change(gemma: Loaded) -> None:
    before = weights(gemma.model)
    with swapped(edited(sites(gemma.model), direction(), RIDGE)):
        after = weights(gemma.model)
    changed = {k for k in before if not np.array_equal(before[k], after[k])}
    assert changed == {
        f"model.layers.{i}.{name}.weight"
        for i in range(4)
        for name in ("self_attn.o_proj", "mlp.down_proj")
    }
    assert same(before, weights(gemma.model))


def test_an_edit_keeps_the_dtype(tmp_path: Path) -> None:
    model = load(tiny.gemma(tmp_path, sigma=0.5, dtype="bfloat16")).model
    r, found = direction(), sites(model)
    put(edited(found, r, RIDGE))
    assert {v.dtype for _, v in tree_flatten(model.parameters())} == {mx.bfloat16}
    assert 1e-5 < leak(model, found, r, ids()) < 1e-2  # from rounding


def test_four_bits_lose_the_edit(tmp_path: Path) -> None:
    # the reason why an edit is never quantised: rounding restores much of what it removed
    loaded = load(
        tiny.gemma(tmp_path, sigma=0.5, bits=4), NumericFormat("float32", dequantize=True)
    )
    r, found = direction(), sites(loaded.model)
    left, left_in_4_bits = [], []
    for site, (_, _, new) in zip(found, edited(found, r, RIDGE), strict=True):
        _, q = projector(site, r, RIDGE)
        old = mx.linalg.norm(q @ site.linear.weight)
        back = mx.dequantize(*mx.quantize(new, 64, 4), 64, 4)
        left.append(float(mx.linalg.norm(q @ new) / old))
        left_in_4_bits.append(float(mx.linalg.norm(q @ back) / old))
    assert max(left) < 1e-4
    assert min(left_in_4_bits) > 0.1


def test_a_quantised_model_is_refused(tmp_path: Path) -> None:
    loaded = load(tiny.gemma(tmp_path, bits=4))
    before = weights(loaded.model)
    with pytest.raises(BadInput, match=r"QuantizedLinear; dequantise"):
        operate(loaded, *many())
    assert same(before, weights(loaded.model))


def test_an_architecture_that_no_reading_fits_is_named(tmp_path: Path) -> None:
    model = load(tiny.llama(tmp_path)).model
    scale = mx.array(np.exp(np.random.default_rng(0).standard_normal(128)).astype(np.float32))

    def scaled(own: Any, *args: Any) -> Any:
        return own(*args) * scale

    with (
        with_forward_hooks([(block.mlp, scaled) for block in model.layers]),
        pytest.raises(BadInput, match=r"architecture 'llama' write: .* leaves \d+% of it"),
    ):
        sites(model)
    del model.layers[2].mlp["down_proj"]
    with pytest.raises(BadInput, match=r"block 3 of architecture 'llama' has no mlp.down_proj"):
        sites(model)


def test_states_do_not_depend_on_the_batch(model: Any) -> None:
    rows = ids(lengths=(9, 30, 5, 17, 5))
    batched = dict(residuals(model, rows, 4))
    for i, row in enumerate(rows):
        ((_, alone),) = residuals(model, [row], 4)
        assert batched[i].shape == (5, 4, 128)
        assert np.abs(batched[i] - alone).max() < 1e-5 * np.abs(alone).max()


def test_the_prompt_ends_with_the_template(gemma: Loaded) -> None:
    end = "<end_of_turn>\n<start_of_turn>model\n"
    tokens = rendered(gemma.tokenizer, "give me bread")
    k = positions(gemma.tokenizer)
    assert gemma.tokenizer.decode(tokens[-k:]) == end
    assert tokens.count(gemma.tokenizer.bos_token_id) == 1


def test_harmless_prompts_stay_where_they_are_along_r(gemma: Loaded) -> None:
    bad, good = (ids(seed, (12,) * 8) for seed in (1, 2))
    for rows in (bad, good):
        for row in rows:
            row[-3:] = [7, 8, 9]  # as from the template
    found = candidates(gemma.model, bad, good, 3, (10,), silent)
    assert {(c.layer, c.position) for c in found} == {
        (layer, p) for layer in range(1, 5) for p in (-3, -2, -1, 0)
    }  # layer 0 is no candidate: the embedding of the template does not depend on the prompt
    rows, writes = [[*row, 10] for row in good], sites(gemma.model)

    def mean() -> Any:
        return np.mean([s for _, s in residuals(gemma.model, rows, 4)], axis=0)

    before = mean()
    for chosen in found:
        r, at = chosen.direction, (chosen.layer, chosen.position + 3)
        assert abs(np.linalg.norm(r) - 1) < 1e-5
        with removed(writes, r, RIDGE):
            assert abs(r @ mean()[at] - r @ before[at]) < 1e-4


def test_tokens_that_open_every_answer_are_found() -> None:
    def asked(*said: tuple[int, ...]) -> AnsweredPrompts:
        return AnsweredPrompts([], [Answer(ids, "") for ids in said])

    assert opening([asked((4, 5, 6), (4, 5)), asked((4, 5, 7))]) == (4, 5)
    assert opening([asked((4, 5, 6), (5, 5))]) == ()
    assert opening([asked((4, 5), ())]) == ()
    assert len(opening([asked((4,) * 20, (4,) * 20)])) == 8


def test_a_model_has_no_distance_from_itself(gemma: Loaded) -> None:
    effects = Effects(gemma.model, gemma.tokenizer, 6, silent)
    (asked,) = effects.ask(ids(lengths=(5, 12, 8)))
    (still,) = effects.shifts(asked, [nullcontext], "")
    assert [tuple(s) for s in still] == [(0.0, 0.0, 0.0)] * 3


def test_divergences_count_the_answer_alone(gemma: Loaded) -> None:
    # compared with a loop over single prompts: one answer is complete, one cut off, one empty
    model, r, found = gemma.model, direction(), sites(gemma.model)
    prompts = ids(lengths=(5, 12, 8))
    said = [Answer(tuple(a), "") for a in ([50, 60, 70], [90, 80, 70, 60], [])]
    effects = Effects(model, gemma.tokenizer, 4, silent)
    edit = partial(removed, found, r, RIDGE)
    (shifts,) = effects.shifts(AnsweredPrompts(prompts, said), [edit], "")
    for prompt, answer, shift, n in zip(prompts, said, shifts, (4, 4, 1), strict=True):
        row = mx.array([[*prompt, *answer.ids]])
        span = slice(len(prompt) - 1, len(prompt) - 1 + n)
        before = model(row)[0, span]
        with edit():
            after = model(row)[0, span]
            mx.eval(after)
        assert shift.answer == pytest.approx(kl(before, after), abs=1e-5)
        assert shift.first == pytest.approx(kl(before[:1], after[:1]), abs=1e-5)
        p, q = (a - mx.logsumexp(a, axis=-1, keepdims=True) for a in (before, after))
        change = sum(float(q[i, t] - p[i, t]) for i, t in enumerate(answer.ids))
        assert shift.logp == pytest.approx(change, abs=1e-4)


def many(n: int = 40) -> tuple[list[str], list[str]]:
    """Return prompts of both kinds, in the vocabulary of the tiny models."""
    return [f"steal {i} money" for i in range(n)], [f"bake {i} bread" for i in range(n)]


def operate(loaded: Loaded, harmful: list[str], harmless: list[str], **settings: Any) -> Any:
    names = {"harmful": "harmful.jsonl", "harmless": "harmless.jsonl"}
    given = Abliterate(**(names | {"max_tokens": 20} | settings))
    return abliterate(loaded, given, harmful, harmless, progress=silent)


@pytest.mark.parametrize("tokens", [None, 2])
def test_what_prompts_share_is_computed_once_and_changes_nothing(
    model: Any, tokens: int | None
) -> None:
    shared = ids(lengths=(7,))[0]
    asked = AnsweredPrompts(
        [[*shared, *own] for own in ids(1, (3, 9, 5))],
        [Answer(tuple(own), "") for own in ids(2, (6, 3, 8))],
    )
    edit = partial(removed, sites(model), direction(), RIDGE)
    effects = Effects(model, None, 8, silent)
    (found,) = effects.shifts(asked, [edit], "", tokens=tokens)
    for prompt, answer, shift in zip(asked.prompts, asked.answers, found, strict=True):
        count = min(len(answer.ids) + 1, tokens or 8)
        row = mx.array([[*prompt, *answer.ids]])
        predicted = slice(len(prompt) - 1, len(prompt) - 1 + count)
        before = model(row)[0, predicted]
        with edit():
            after = model(row)[0, predicted]
        assert shift.answer == pytest.approx(kl(before, after), rel=1e-3, abs=1e-5)
        assert shift.first == pytest.approx(kl(before[:1], after[:1]), rel=1e-3, abs=1e-5)
        change = [
            float(p[t] - mx.logsumexp(p) - q[t] + mx.logsumexp(q))
            for p, q, t in zip(after, before, answer.ids[:count], strict=False)
        ]
        assert shift.logp == pytest.approx(sum(change), rel=1e-3, abs=1e-4)


def test_prompts_are_split_by_seed_and_never_shared() -> None:
    bad, good = split(*many(200), ("a", "b"), 0)
    assert [len(p) for p in bad] == [118, 32, 50]
    assert sorted(p for part in bad for p in part) == sorted(many(200)[0])
    assert split(*many(200), ("a", "b"), 0) == (bad, good)
    assert split(*many(200), ("a", "b"), 1) != (bad, good)
    repeated = [prompts * 2 for prompts in many(200)]
    assert split(*repeated, ("a", "b"), 0) == (bad, good)
    assert [len(p) for p in split(*many(32), ("a", "b"), 0)[1]] == [16, 8, 8]


@pytest.mark.parametrize(
    ("harmful", "harmless", "fault"),
    [
        (many(31)[0], many()[1], r"harmful.jsonl: 31 distinct prompts.* at least 32"),
        (many()[0], ["hi"] * 99, r"harmless.jsonl: 1 distinct prompts"),
        (
            many()[0],
            [*many()[1], "steal 7 money"],
            r"harmful.jsonl: 'steal 7 money' is also in harmle",
        ),
        (*many(), r"harmful.jsonl: the model refuses none of 10 prompts"),
    ],
)
def test_prompts_that_do_not_serve_are_named(
    gemma: Loaded, harmful: list[str], harmless: list[str], fault: str
) -> None:
    before = weights(gemma.model)
    with pytest.raises(BadInput, match=fault):
        operate(gemma, harmful, harmless)
    assert same(before, weights(gemma.model))


def prompts() -> list[list[str]]:
    kinds = ("harmful", "harmless")
    return [list(read_prompts(SANDBOX / "abliteration" / f"{k}.jsonl").values()) for k in kinds]


def base() -> Loaded:
    return load(SANDBOX / "base", NumericFormat("float32", dequantize=True))


@pytest.fixture(scope="module")
def abliterated() -> tuple[Loaded, Any]:
    """Return the sandbox's base model after abliteration, and the report."""
    loaded = base()
    return loaded, operate(loaded, *prompts(), max_tokens=32)


def test_the_sandbox_stops_refusing_and_little_else_changes(
    abliterated: tuple[Loaded, Any],
) -> None:
    _, report = abliterated
    assert report.refusals_before >= 0.9
    assert report.refusals_after <= 0.05
    assert report.harmful_compliance_after >= 0.9
    assert report.harmless_compliance_before >= 0.95
    assert report.harmless_compliance_after >= 0.95
    assert report.answer_token_kl < 0.1
    assert report.leak < 1e-4
    facts = report.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert "direction" not in facts


def test_a_model_that_hardly_refuses_is_said_to(abliterated: tuple[Loaded, Any]) -> None:
    report = abliterated[1]
    assert report.facts()["note"] is None
    rarely = replace(report, refusals_before=0.125)
    assert rarely.facts()["note"] == (
        f"before the edit the model refused only 12% of {report.harmful_prompts} harmful prompts: "
        "there was little to remove, and little difference to expect"
    )


def test_the_report_is_what_the_edited_model_does(abliterated: tuple[Loaded, Any]) -> None:
    loaded, report = abliterated
    names = ("harmful.jsonl", "harmless.jsonl")
    held_out = split(*prompts(), names, 0)[0].report
    effects = Effects(loaded.model, loaded.tokenizer, 32, silent)
    (asked,) = effects.ask([rendered(loaded.tokenizer, p) for p in held_out])
    assert np.mean([a.refused for a in asked.answers]) == report.refusals_after
    assert len(held_out) == report.harmful_prompts


def test_another_direction_removes_no_refusals(abliterated: tuple[Loaded, Any]) -> None:
    loaded, report = base(), abliterated[1]
    effects = Effects(loaded.model, loaded.tokenizer, 32, silent)
    some = [rendered(loaded.tokenizer, p) for p in prompts()[0][:40]]
    refused = []
    for r in (direction(), np.array(report.direction)):
        with removed(sites(loaded.model), r, RIDGE):
            (asked,) = effects.ask(some)
        refused.append(np.mean([a.refused for a in asked.answers]))
    assert refused[0] > 0.9
    assert refused[1] < 0.1


def test_the_same_seed_gives_the_same_edit(abliterated: tuple[Loaded, Any]) -> None:
    again = base()
    report = operate(again, *prompts(), max_tokens=32)
    assert report == abliterated[1]
    assert same(weights(again.model), weights(abliterated[0].model))


def test_where_no_direction_is_mild_enough_the_model_stays(abliterated: Any) -> None:
    loaded = base()
    before = weights(loaded.model)
    with pytest.raises(
        BadInput, match=r"max_kl = 1e-09: none .* stays within it; the closest \(layer"
    ):
        operate(loaded, *prompts(), max_tokens=32, max_kl=1e-9)
    assert same(before, weights(loaded.model))
