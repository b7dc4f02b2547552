"""Log-likelihoods of choices, compared with one forward pass for each choice."""

from pathlib import Path
from typing import Any

from support import tiny  # loads the BLAS, so it comes before mlx.core

# isort: split
import mlx.core as mx
import numpy as np
import pytest

from lek.generation.backend import Question, Request, chat
from lek.generation.likelihood import Choices, log_likelihoods
from lek.generation.mlx import MlxBackend
from lek.models.weights import Loaded, NumericFormat, load
from lek.profile.schema import Decoding

FORM = NumericFormat("float32", dequantize=True)


def one_by_one(model: Any, question: Choices) -> list[float]:
    """The log-likelihood of each choice, from one pass over context and choice."""
    values = []
    for choice in question.choices:
        ids = mx.array([[*question.context, *choice]])
        logits = model(ids)[0].astype(mx.float32)
        logits = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        first = len(question.context) - 1
        values.append(sum(float(logits[first + i, token]) for i, token in enumerate(choice)))
    return values


def questions(shared: int, seed: int = 0) -> list[Choices]:
    rng = np.random.default_rng(seed)

    def ids(least: int, most: int) -> list[int]:
        return [int(i) for i in rng.integers(6, 300, rng.integers(least, most + 1))]

    start = ids(shared, shared)
    return [
        Choices([*start, *ids(1, 4)], [ids(1, 7) for _ in range(rng.integers(1, 6))])
        for _ in range(12)
    ]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tiny.gemma(tmp_path_factory.mktemp("model"), sigma=0.3), FORM)


@pytest.mark.parametrize("shared", [0, 1, 50, 90])  # 90: longer than the window of its layers
@pytest.mark.parametrize("rows", [1, 3, 64])
def test_values_are_those_of_single_passes(loaded: Loaded, shared: int, rows: int) -> None:
    asked = questions(shared)
    found = dict(log_likelihoods(loaded.model, asked, rows))
    assert sorted(found) == list(range(len(asked)))
    for i, question in enumerate(asked):
        assert found[i] == pytest.approx(one_by_one(loaded.model, question), abs=1e-4)


def test_equal_contexts_keep_a_token_each(loaded: Loaded) -> None:
    asked = [Choices([7, 8, 9], [[10], [11, 12]]), Choices([7, 8, 9], [[13]])]
    found = dict(log_likelihoods(loaded.model, asked, 8))
    for i, question in enumerate(asked):
        assert found[i] == pytest.approx(one_by_one(loaded.model, question), abs=1e-4)
    assert not list(log_likelihoods(loaded.model, [], 8))


def backend(loaded: Loaded) -> MlxBackend:
    return MlxBackend(loaded, Path("somewhere"))


@pytest.mark.parametrize("as_chat", [False, True])
def test_a_question_is_tokenized_as_context_and_choice_together(
    loaded: Loaded, as_chat: bool
) -> None:
    context: Any = chat("why can we") if as_chat else "Q: why can we\nA:"
    form = "{choice}" if as_chat else " {choice}"
    choices = ("the house", "stone", "we can not")
    (done,) = backend(loaded).complete(
        [Request("a", Question(context, choices, form))], Decoding(max_tokens=1)
    )
    assert done.text is done.reason is None and done.likelihoods is not None
    assert list(done.likelihoods) == list(choices)
    encode = loaded.tokenizer.encode
    for choice, value in done.likelihoods.items():
        text = done.rendered + form.replace("{choice}", choice)
        first, ids = (encode(t, add_special_tokens=not as_chat) for t in (done.rendered, text))
        assert ids[: len(first)] == first
        (expected,) = one_by_one(loaded.model, Choices(first, [ids[len(first) :]]))
        assert value == pytest.approx(expected, abs=1e-4)


def test_what_has_no_likelihood_has_a_reason(loaded: Loaded) -> None:
    long = "the house " * 1200
    requests = [
        Request("long", Question(long, ("stone",), " {choice}")),
        Request("empty", Question("Q: why", ("",), "{choice}")),
        Request("good", Question("Q: why", ("stone",), " {choice}")),
        Request("text", "the house"),
    ]
    done = {c.id: c for c in backend(loaded).complete(requests, Decoding(max_tokens=3))}
    assert "tokens, the model's context 2048" in str(done["long"].reason)
    assert "no tokens to the prompt or to a choice" in str(done["empty"].reason)
    assert done["good"].likelihoods is not None and done["good"].reason is None
    assert done["text"].text is not None and done["text"].likelihoods is None


def test_a_case_without_choices_or_a_finite_value_has_a_reason(loaded: Loaded) -> None:
    requests = [
        Request("none", Question("Q: why", (), " {choice}")),
        Request("good", Question("Q: why", ("stone",), " {choice}")),
    ]
    done = {c.id: c for c in backend(loaded).complete(requests, Decoding())}
    assert "no measure applies" in str(done["none"].reason)
    assert done["good"].likelihoods is not None

    class Broken:
        layers = loaded.model.layers

        def __call__(self, inputs: Any, **options: Any) -> Any:
            return loaded.model(inputs, **options) * float("nan")

        def __getattr__(self, name: str) -> Any:
            return getattr(loaded.model, name)

    broken = MlxBackend(Loaded(Broken(), loaded.tokenizer, loaded.config), Path("somewhere"))
    (found,) = broken.complete(requests[1:], Decoding())
    assert found.likelihoods is None and "not finite" in str(found.reason)
