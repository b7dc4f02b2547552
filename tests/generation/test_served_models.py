"""Served models: requests that are abandoned, and the completion that a reply becomes."""

from pathlib import Path
from threading import Event

import pytest
from support.endpoint import Answer, Asked, ok, serving
from support.project import PATIENCE

from lek.generation.backend import Completion, Request, chat
from lek.generation.replies import completion, question
from lek.generation.served import ServedModels
from lek.profile.schema import Decoding, ServedSettings
from lek.providers.request import Reply
from lek.providers.usage import Usage
from lek.workspace.progress import Silent
from lek.workspace.store import Store

REQUEST = Request("T1", [{"role": "system", "content": "Be kind."}, *chat("Is it so?")])
DECODING = Decoding(max_tokens=8)


def models(url: str, directory: Path, concurrency: int = 2) -> ServedModels:
    """The models of one subject, ``base``."""
    store = Store(directory / "store.sqlite3", "a session")
    settings = ServedSettings(model="m", base_url=f"{url}/v1", concurrency=concurrency)
    usage = Usage(store, "a session")
    (directory / "locks").mkdir(exist_ok=True)
    return ServedModels({"base": settings}, store, usage, directory / "locks", Silent())


def requests(count: int) -> list[Request]:
    return [Request(f"T{i}", chat(f"Is {i} so?")) for i in range(count)]


def test_what_is_abandoned_is_not_sent_and_releases_the_address(tmp_path: Path) -> None:
    release = Event()

    def stalling(asked: Asked) -> Answer:
        if asked.number > 3:
            release.wait(PATIENCE)
        return ok("Yes.")

    with serving(stalling) as api:
        made = models(api.url, tmp_path)
        answers = made.backend("base").complete(requests(20), DECODING)
        assert [next(answers).text for _ in range(3)] == ["Yes."] * 3
        answers.close()  # as a time limit or an interrupt does
        release.set()
        again = list(made.backend("base").complete(requests(4), DECODING))
        assert [c.text for c in again] == ["Yes."] * 4
        assert len(api.asked) <= 3 + 2 + 4  # two were in flight
        made.close()
        (row,) = made._usage.spent()
        assert (row.requests, row.unread) == (len(api.asked), 0)
        assert row.prompt_tokens == 100 * len(api.asked)


def test_a_question_has_the_messages_and_the_decoding() -> None:
    greedy = question(REQUEST, DECODING)
    assert (greedy.system, greedy.user, greedy.schema) == ("Be kind.", "Is it so?", None)
    assert greedy.sampling is not None
    assert greedy.sampling._asdict() == {
        "max_tokens": 8, "temperature": 0.0, "top_p": None, "seed": None, "thinking": None,
    }  # fmt: skip
    sampled = Decoding(temperature=0.5, top_p=0.9, seed=1, enable_thinking=True)
    one, same, other, reseeded = (
        question(request, decoding).sampling
        for request, decoding in (
            (REQUEST, sampled),
            (REQUEST, sampled),
            (REQUEST._replace(id="T2"), sampled),
            (REQUEST, sampled.model_copy(update={"seed": 2})),
        )
    )
    assert one is not None and other is not None and reseeded is not None
    assert one == same and one.thinking is True and one.top_p == 0.9
    assert len({one.seed, other.seed, reseeded.seed}) == 3


def made(**reply: object) -> Completion:
    return completion(REQUEST, Reply(**reply), 0.5)  # type: ignore[arg-type]


def test_a_text_stays_as_it_is() -> None:
    found = made(text=" Yes.\n", finish="stop", prompt_tokens=5, completion_tokens=None)
    assert (found.text, found.finish, found.final) == (" Yes.\n", "stop", True)
    assert (found.prompt_tokens, found.completion_tokens, found.seconds) == (5, None, 0.5)
    assert found.rendered == (
        '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is it so?"}]'
    )


@pytest.mark.parametrize(
    ("reply", "text", "thought"),
    [
        ({"text": "<think>a</think>\nYes."}, "Yes.", "a"),
        ({"text": "a</think>Yes."}, "Yes.", "a"),  # the template had opened it
        ({"text": "Yes.", "thought": "a"}, "Yes.", "a"),
        ({"text": "<think>a</think>Yes.", "thought": "a"}, "Yes.", "a"),
        ({"text": "<think>b</think>Yes.", "thought": "a"}, "Yes.", "a\nb"),
        ({"text": None, "reason": "the judge refused: No.", "refusal": "No."}, "No.", None),
        ({"text": None, "reason": "the reply is empty", "finish": "stop"}, "", None),
        ({"text": "<think>a</think> \n", "finish": "stop"}, "", "a"),
    ],
)
def test_thoughts_and_refusals(reply: dict[str, object], text: str, thought: str | None) -> None:
    found = made(**reply)
    assert (found.text, found.thought, found.reason, found.final) == (text, thought, None, True)


@pytest.mark.parametrize(
    ("reply", "reason", "final"),
    [
        ({"text": None, "reason": "400 too long"}, "400 too long", False),
        ({"text": None, "reason": "the reply is empty", "finish": None}, "is empty", False),
        ({"text": "<think>a", "finish": "length"}, "the thought has no end; raise dec", True),
        ({"text": None, "reason": "used up", "finish": "length", "thought": "a"}, "used", True),
    ],
)
def test_no_answer_has_a_reason(reply: dict[str, object], reason: str, final: bool) -> None:
    found = made(**reply)
    assert found.text is None and reason in (found.reason or "")
    assert found.final == final
