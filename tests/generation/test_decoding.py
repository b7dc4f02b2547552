"""Generation: in float32 an answer depends only on its prompt."""

from pathlib import Path

import pytest
from support import tiny
from tokenizers import AddedToken, Tokenizer

from lek.errors import BadInput
from lek.generation.backend import Completion, Request, chat
from lek.generation.mlx import MlxBackend, bytes_per_sequence
from lek.models.weights import NumericFormat, load
from lek.profile.schema import Decoding

FORM = NumericFormat("float32", dequantize=True)
REQUESTS = [Request(f"T{i}", chat(" ".join(tiny.WORDS[i : i + 1 + 7 * i % 23]))) for i in range(12)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # a window shorter than most prompts, so that the rotating cache is tested too
    return tiny.gemma(tmp_path_factory.mktemp("tiny"), layers=3, hidden=64, sliding_window=16)


@pytest.fixture(scope="module")
def backend(directory: Path) -> MlxBackend:
    return MlxBackend.open(directory, FORM)


def answers(
    backend: MlxBackend, requests: list[Request] = REQUESTS, **decoding: object
) -> dict[str, Completion]:
    settings = Decoding.model_validate({"max_tokens": 24, **decoding})
    return {c.id: c for c in backend.complete(requests, settings)}


def texts(found: dict[str, Completion]) -> dict[str, str | None]:
    return {i: c.text for i, c in sorted(found.items())}


def test_batched_and_single_agree_token_for_token(backend: MlxBackend, directory: Path) -> None:
    from mlx_lm import generate

    batched = answers(backend)
    assert len(batched) == len(REQUESTS)
    loaded = load(directory, FORM)
    for request in REQUESTS:
        prompt = loaded.tokenizer.apply_chat_template(request.prompt, add_generation_prompt=True)
        said = generate(loaded.model, loaded.tokenizer, prompt, max_tokens=24)
        assert batched[request.id].text == said
        assert batched[request.id].prompt_tokens == len(prompt)
    for size in (1, 3, 64):
        assert texts(answers(backend, batch_size=size)) == texts(batched)


def test_a_sample_depends_on_its_name_and_seed_alone(backend: MlxBackend) -> None:
    settings = {"temperature": 1.0, "top_p": 0.9}
    whole = texts(answers(backend, **settings))
    for size in (1, 3):
        assert texts(answers(backend, batch_size=size, **settings)) == whole
    some = texts(answers(backend, REQUESTS[7:2:-1], **settings))
    assert some == {i: whole[i] for i in some}
    assert texts(answers(backend, seed=1, **settings)) != whole
    same = [Request(name, REQUESTS[0].prompt) for name in ("A", "B", "C")]
    assert len(set(texts(answers(backend, same, **settings)).values())) == 3


def test_the_start_token_stands_once_and_bare_text_has_one(backend: MlxBackend) -> None:
    found = answers(backend, [Request("chat", chat("the")), Request("plain", "the")])
    tokenizer = backend._loaded.tokenizer
    ids = tokenizer.encode(found["chat"].rendered, add_special_tokens=False)
    assert ids.count(tokenizer.bos_token_id) == 1
    assert found["chat"].prompt_tokens == len(ids)
    assert found["plain"].rendered == "the"
    assert found["plain"].prompt_tokens == 2  # <bos> the


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (
            "{% for m in messages %}{% if m.role == 'system' %}"
            "{{ raise_exception('System role not supported') }}{% endif %}{{ m.content }}"
            "{% endfor %}",
            "its chat template rejects the prompt: System role not supported",
        ),
        (
            "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}{% endif %}"
            "{% endfor %}",
            "its chat template omits system messages",
        ),
    ],
    ids=["rejects", "omits"],
)
def test_a_template_without_a_place_for_the_system_message_is_an_error(
    tmp_path: Path, template: str, fault: str
) -> None:
    tiny.gemma(tmp_path, layers=2, hidden=64)
    (tmp_path / "chat_template.jinja").write_text(template)
    backend = MlxBackend.open(tmp_path, FORM)
    prompt = [{"role": "system", "content": "Be brief. "}, *chat("the")]
    with pytest.raises(BadInput) as raised:
        answers(backend, [Request("T1", prompt)])
    assert str(raised.value) == f"{tmp_path}: {fault}; delete the subject's key system"
    assert answers(backend, [Request("T1", chat("the"))])["T1"].text is not None


THINKING = (
    "{% for m in messages %}{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<think>' if enable_thinking else '<think></think>' }}"
    "{% endif %}"
)


def test_a_thought_without_an_end_is_no_answer(tmp_path: Path) -> None:
    tiny.gemma(tmp_path, layers=2, hidden=64)
    (tmp_path / "chat_template.jinja").write_text(THINKING)
    backend, request = MlxBackend.open(tmp_path, FORM), Request("T1", chat("the"))
    open_ended = answers(backend, [request], enable_thinking=True)["T1"]
    assert open_ended.rendered == "the<think>"
    assert (open_ended.text, open_ended.finish) == (None, "length")
    assert open_ended.reason is not None
    assert "enable_thinking = false" in open_ended.reason
    assert open_ended.thought
    assert open_ended.thought_tokens is not None
    assert 0 < open_ended.thought_tokens <= open_ended.completion_tokens
    closed = answers(backend, [request], enable_thinking=False)["T1"]
    assert closed.rendered == "the<think></think>"
    assert closed.text
    assert (closed.thought, closed.thought_tokens, closed.reason) == (None, None, None)


@pytest.mark.parametrize("special", [True, False])
def test_thoughts_between_marks_that_are_tokens(tmp_path: Path, special: bool) -> None:
    tiny.gemma(tmp_path, layers=2, hidden=64)
    file = tmp_path / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    marks = [AddedToken(mark, special=special) for mark in ("<think>", "</think>")]
    (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(marks)
    tokenizer.save(str(file))
    backend = MlxBackend.open(tmp_path, FORM)
    text = "<think>why not</think>the answer"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) < len(text) / 3  # the marks are single tokens
    assert backend._parts(ids, "the") == ("why not", "the answer")
    end = ids.index(tokenizer.token_to_id("</think>"))
    assert backend._parts(ids[:end], "the") == ("why not", None)
    assert backend._parts(ids[1:], "the<think>\n") == ("why not", "the answer")


def test_a_prompt_without_room_for_an_answer_says_so(tmp_path: Path) -> None:
    tiny.gemma(tmp_path, layers=2, hidden=64, max_position_embeddings=16)
    backend = MlxBackend.open(tmp_path, FORM)
    found = answers(backend, [Request("long", "the " * 20), Request("short", "the")])
    assert found["long"].text is None
    assert "tokens, the model's context 16" in str(found["long"].reason)
    assert found["short"].text is not None
    assert found["short"].completion_tokens <= 14


def test_finish_and_counts(backend: MlxBackend) -> None:
    found = answers(backend)
    for completion in found.values():
        assert completion.completion_tokens <= 24
        assert (completion.finish == "length") == (completion.completion_tokens == 24)


def test_a_batch_is_bounded_by_memory(backend: MlxBackend) -> None:
    each = bytes_per_sequence(backend._loaded, 100)
    assert bytes_per_sequence(backend._loaded, 200) > 1.5 * each
    three = Decoding(memory_gb=3.5 * each / 1e9)
    assert backend._batch_size(100, three) == 3
    assert backend._batch_size(100, Decoding(memory_gb=1e-9)) == 1
    assert backend._batch_size(100, Decoding(batch_size=2)) == 2


def test_a_model_without_a_chat_template_is_an_error(tmp_path: Path) -> None:
    import json

    tiny.gemma(tmp_path, layers=2, hidden=64)
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text())
    config.pop("chat_template", None)
    file.write_text(json.dumps(config))
    with pytest.raises(Exception, match="no chat template; give the subject prompt = 'plain'"):
        answers(MlxBackend.open(tmp_path, FORM), [Request("a", chat("the"))])


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    import json

    tiny.gemma(tmp_path, layers=2, hidden=64)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_file": "evil.py"}))
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(Exception, match="the model requires code of its own"):
        load(tmp_path)
