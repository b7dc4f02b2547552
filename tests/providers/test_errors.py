"""The cause that an error message names, for bodies of many servers and networks that fail."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from support.endpoint import Answer, body, choice, ok, raw, reset, serving, status

from lek.profile.schema import GeminiSettings, OpenAISettings
from lek.providers.errors import (
    InternalError,
    PermanentError,
    ProviderError,
    RejectedRequest,
    TransientError,
    UnreachableError,
)
from lek.providers.gemini import GeminiEndpoint
from lek.providers.genai import GenaiEndpoint
from lek.providers.openai import OpenAIEndpoint
from lek.providers.request import Endpoint, Question, Reply, token_counts

KEY = "a-key-for-tests-0123"
QUESTION = Question(
    "judge", "this", {"type": "object", "properties": {"reasons": {"type": "string"}}}
)
Open = Callable[..., Endpoint]


def open_openai(url: str, **settings: Any) -> Endpoint:
    profile = OpenAISettings(model="judge-1", base_url=f"{url}/v1", key="JUDGE_KEY", **settings)
    return OpenAIEndpoint.open(profile, SecretStr(KEY))


def open_google(kind: Any) -> Open:
    def opened(url: str, **settings: Any) -> Endpoint:
        profile = GeminiSettings(model="judge-1", base_url=url, key="JUDGE_KEY", **settings)
        endpoint: Endpoint = kind.open(profile, SecretStr(KEY))
        return endpoint

    return opened


GOOGLE = {"generativeai": open_google(GeminiEndpoint), "genai": open_google(GenaiEndpoint)}
ALL = {"openai": open_openai, **GOOGLE}
every = pytest.mark.parametrize("opened", ALL.values(), ids=ALL)
google = pytest.mark.parametrize("opened", GOOGLE.values(), ids=GOOGLE)


def outcome(opened: Open, answer: Answer, **settings: Any) -> Reply | ProviderError:
    with serving(answer) as api:
        try:
            return opened(api.url, **settings).ask(QUESTION)
        except ProviderError as error:
            assert str(error).isprintable() and KEY not in str(error)
            return error


Later, Never, Not = TransientError, PermanentError, RejectedRequest
DAY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
BODIES: dict[str, tuple[Answer, type[ProviderError], str]] = {
    "an error with status 200": (
        body({"error": {"code": 429, "message": "Slow down"}}), Later, "429 Slow down"
    ),
    "an error code as a text": (body({"error": {"code": "503", "message": "x"}}), Later, "503 x"),
    "an error by name": (
        body({"error": {"type": "authentication_error", "message": "who?"}}),
        Never, "JUDGE_KEY: refused (401 who?); check the key",
    ),
    "a list of errors": (
        body([{"error": {"code": 403, "message": "not here", "status": "PERMISSION_DENIED"}}]),
        Never, "JUDGE_KEY: refused (403 not here); check the key",
    ),
    "an error as a text": (body({"error": "model is loading"}), Later, "500 model is loading"),
    "an error object": (
        body({"object": "error", "message": "too long", "code": 400}), Not, "400 too long"
    ),
    "an error of type error": (
        body({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        Later, "500 Overloaded",
    ),
    "a message in a message": (
        body({"error": {"message": {"detail": {"reason": "too deep"}}}}, 400), Not, "400 too deep"
    ),
    "JSON in a message": (
        body({"error": {"message": json.dumps({"error": {"message": "inner"}})}}, 400),
        Not, "400 inner",
    ),
    "a printed dictionary in a message": (
        body({"error": {"message": str({"error": {"message": "it isn't", "at": "\\d"}})}}, 400),
        Not, "400 it isn't",
    ),
    "braces in a message": (
        body({"message": "{a} is unknown"}, 400), Not, "400 {a} is unknown"
    ),
    "details of FastAPI": (
        body({"detail": [{"loc": ["body", "n"], "msg": "not a number", "type": "t"}]}, 422),
        Not, "422 body.n: not a number",
    ),
    "several errors": (
        body({"errors": [{"title": "first"}, {"title": "second"}]}, 500), Later, "500 first; second"
    ),
    "no sentence": (body({"ok": False, "n": 5, "list": [{}]}, 500), Later, "500"),
    "an empty message": (body({"error": {"message": "", "code": "odd"}}, 500), Later, "500 odd"),
    "a page": (body(b"<h1>Bad gateway</h1>", 502), Later, "502 <h1>Bad gateway</h1>"),
    "a daily quota in a list": (
        body([{"error": {"message": "all used", "details": [[DAY]]}}], 429),
        Never, r"/the day's quota is used up \(all used\); resume after \d{4}-",
    ),
    "a daily quota in a table": (
        body({"error": {"message": "all used", "details": DAY}}, 429),
        Never, r"/the day's quota is used up \(all used\); resume after \d{4}-",
    ),
    "a quota with status 200": (
        body({"error": {"code": "insufficient_quota", "message": "pay first"}}),
        Never, "the quota is used up (pay first); check the account",
    ),
    "a redirect": (
        status(308, headers={"Location": "https://user:pw@else.example/login?token=x#y"}),
        Never, r"/308 redirect from http://127\.0\.0\.1:\d+(/v1)? to https://else\.example/login; "
        r"check base_url$",
    ),
    "a redirect within the server": (
        status(302, headers={"Location": "/sign-in"}),
        Never, r"/302 redirect from (\S+?)(/v1)? to \1/sign-in; check base_url$",
    ),
    "a wrong method": (
        status(405, "no POST"), Never, r"/405 no POST from http://127\.\S+; check base_url$"
    ),
    "no content": (
        Answer(204), Never, r"/204 without a reply from http://127\.\S+; check base_url$"
    ),
    "an accepted request": (
        Answer(202, gemini=b"", openai=b""),
        Never, r"/202 without a reply from \S+; check base_url$",
    ),
    "another service": (
        raw(b'"hello"'), Later, r"/not in the documented format of the API \(http://127\.\S+\)$"
    ),
}  # fmt: skip


@every
@pytest.mark.parametrize("case", BODIES)
def test_a_message_is_the_servers_sentence_and_the_place(opened: Open, case: str) -> None:
    answer, kind, message = BODIES[case]
    error = outcome(opened, answer)
    assert type(error) is kind, error
    if message.startswith("/"):
        assert re.search(message[1:], str(error)), error
    else:
        assert str(error) == message


@every
def test_a_delay_in_a_list_is_read(opened: Open) -> None:
    error = outcome(opened, body([{"error": {"details": [{"retryDelay": "34.5s"}]}}], 429))
    assert isinstance(error, TransientError) and error.after == 34.5


SETTINGS = {
    "structured": (
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported.", None,
        'set structured = "json_object" or "none"',
    ),
    "temperature": (
        "Unsupported value: 'temperature' does not support 0.1 with this model.", "temperature",
        'change temperature; "default" leaves it out',
    ),
    "token limit": (
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens",
        "change token_limit (the name of the limit) or max_tokens",
    ),
    "max_tokens": ("max_tokens is too large: 900000", None, "change max_tokens"),
    "model": ("The model `judge-1` does not exist", None, "check model"),
    "unknown model": ("Unknown model: judge-1.", None, "check model"),
    "too long": ("This model's maximum context length is 8192 tokens.", None, ""),
    "content": ("The prompt was flagged as unsafe", None, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_a_rejected_request_names_the_setting_to_change(case: str) -> None:
    message, parameter, advice = SETTINGS[case]
    error = outcome(open_openai, body({"error": {"message": message, "param": parameter}}, 400))
    assert isinstance(error, RejectedRequest) and error.advised == bool(advice)
    assert str(error) == (f"400 {message.rstrip('.')}; {advice}" if advice else f"400 {message}")


def test_a_router_without_a_model_for_the_request_names_the_setting() -> None:
    error = outcome(open_openai, status(404, "No endpoints found that support response_format"))
    assert isinstance(error, PermanentError)
    assert str(error).endswith('; set structured = "json_object" or "none"')


@google
def test_a_setting_that_the_judge_lacks_is_not_named(opened: Open) -> None:
    error = outcome(opened, status(400, "JSON mode is not enabled for judge-1"))
    assert str(error).endswith("; check model: it may not support a JSON Schema")


REPLIES: dict[str, tuple[Answer, str | None, str | None]] = {
    "parts": (choice({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
              "ab", None),
    "parts and reasoning": (
        choice({"content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "b"}]}),
        "b", None,
    ),
    "parts without a type": (choice({"content": [{"text": "a"}]}), "a", None),
    "only a part with reasoning": (
        choice({"content": [{"type": "thinking", "thinking": "hm"}]}), None,
        "the reply has reasoning but no text",
    ),
    "only details of reasoning": (
        choice({"content": None, "reasoning_details": [{"text": "hm"}]}), None,
        "the reply has reasoning but no text",
    ),
    "texts": (choice({"content": ["a", "b"]}), "ab", None),
    "a part that refuses": (
        choice({"content": [{"type": "refusal", "refusal": "I can't"}]}), None,
        "the judge refused: I can't",
    ),
    "only reasoning": (
        choice({"content": None, "reasoning_content": "hm"}), None,
        "the reply has reasoning but no text",
    ),
    "only reasoning, by another name": (
        choice({"content": "", "reasoning": "hm"}), None, "the reply has reasoning but no text"
    ),
    "thinking to the limit": (
        choice({"content": None, "reasoning_content": "hm"}, "length"), None,
        "no text: thinking used up max_tokens = 64; raise max_tokens",
    ),
    "no parts": (choice({"content": []}), None, "the reply is empty"),
    "ended in another way": (
        choice({"content": ""}, "eos"), None, "the reply is empty (finish_reason: eos)"
    ),
    "an unknown end": (choice({"content": "x"}, "eos"), "x", None),
}  # fmt: skip


@pytest.mark.parametrize("case", REPLIES)
def test_a_reply_is_read_in_all_forms_and_its_lack_is_explained(case: str) -> None:
    answer, text, reason = REPLIES[case]
    reply = outcome(open_openai, answer, max_tokens=64)
    assert isinstance(reply, Reply) and (reply.text, reply.reason) == (text, reason)


BROKEN = {
    "error": (choice({"content": "half"}, "error"), "the server broke off the reply"),
    "abort": (choice({"content": "half"}, "abort"), "the server broke off the reply"),
    "error with its cause": (
        choice({"content": ""}, "error", error={"code": 502, "message": "upstream died"}),
        "502 upstream died",
    ),
    "error without a message": (
        choice(None, "error", error={"code": 429, "message": "busy"}), "429 busy"
    ),
    "content of another type": (choice({"content": {"a": 1}}), "not in the documented format"),
    "a part of another type": (choice({"content": [5]}), "not in the documented format"),
    "no message": (choice("text"), "not in the documented format"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_reply_that_was_broken_off_is_asked_again(case: str) -> None:
    answer, message = BROKEN[case]
    error = outcome(open_openai, answer)
    assert isinstance(error, TransientError) and str(error).startswith(
        message if "documented" not in message else "the response body is "
    )


@google
def test_thinking_to_the_limit_is_told_from_an_empty_reply(opened: Open) -> None:
    answer = ok(None, finish="length")
    answer.gemini["candidates"][0]["content"] = {"parts": [{"text": "hm", "thought": True}]}
    reply = outcome(opened, answer, max_tokens=64)
    assert isinstance(reply, Reply) and reply.finish == "length"
    assert reply.reason == "no text: thinking used up max_tokens = 64; raise max_tokens"
    answer.gemini["candidates"][0]["finishReason"] = "STOP"
    reply = outcome(opened, answer)
    assert isinstance(reply, Reply) and reply.reason == "the reply has reasoning but no text"


@every
@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "no-such-host.invalid"])
def test_a_request_without_a_connection_was_not_sent(opened: Open, host: str) -> None:
    with serving() as api:
        port = api.server_port
    address = f"http://{host.format(port=port)}"
    with pytest.raises(UnreachableError, match=r"^connection failed: \w.* \(") as told:
        opened(address).ask(QUESTION)
    assert not told.value.sent and address in str(told.value) and "?" not in str(told.value)


@every
@pytest.mark.parametrize("answer", [reset(), raw(b"{")], ids=["reset", "invalid"])
def test_a_response_that_is_lost_was_not_read(opened: Open, answer: Answer) -> None:
    error = outcome(opened, answer)
    assert isinstance(error, TransientError) and error.sent and not error.read


@every
def test_an_error_response_was_read(opened: Open) -> None:
    error = outcome(opened, status(500))
    assert isinstance(error, TransientError) and error.sent and error.read


@every
@pytest.mark.parametrize("where", ["_request", "_read"])
def test_an_error_of_the_program_is_none_of_the_api(
    opened: Open, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(f"PYTEST_CURRENT_TEST {KEY}")

    with serving(ok("{}")) as api:
        endpoint = opened(api.url)
        monkeypatch.setattr(endpoint, where, fail)
        with pytest.raises(InternalError) as told:
            endpoint.ask(QUESTION)
    assert re.search(r"in fail\n(.*\n)+KeyError: 'PYTEST_CURRENT_TEST \[key\]'$", str(told.value))
    assert told.value.__cause__ is None and told.value.__context__ is None


@every
def test_an_error_in_reading_a_reply_is_none_of_the_reply(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("not enough values to unpack")

    with serving(ok("{}")) as api:
        endpoint = opened(api.url)
        monkeypatch.setattr(endpoint, "_read", fail)
        with pytest.raises(InternalError, match=r"ValueError: not enough values to unpack$"):
            endpoint.ask(QUESTION)


@every
@pytest.mark.parametrize("nested", ["[" * 100_000, "[" * 500 + "]" * 500, '{"a":' * 100_000])
def test_a_nested_body_is_none_of_the_api(opened: Open, nested: str) -> None:
    for code in (200, 400):
        answer = raw(nested.encode())
        answer.status = code
        error = outcome(opened, answer)
        assert type(error) is (TransientError if code == 200 else RejectedRequest)


def test_an_error_inside_the_library_is_not_taken_for_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The openai library raises APIConnectionError for any exception in a request."""

    def fail(*_: object) -> None:
        raise KeyError("PYTEST_CURRENT_TEST")

    monkeypatch.setattr(OpenAIEndpoint, "_remove_foreign_headers", fail)
    with serving(ok("{}")) as api, pytest.raises(InternalError, match="KeyError: 'PYTEST_CURRENT"):
        open_openai(api.url).ask(QUESTION)


@pytest.mark.parametrize(
    ("reported", "counts"),
    [
        ((100, 20, None), (100, 20)),
        ((100, 20, 120), (100, 20)),
        ((100, 20, 150), (100, 50)),  # thinking that only the total includes
        ((100, None, 150), (100, 50)),
        ((None, 20, 150), (130, 20)),
        ((None, None, 150), (None, None)),
        ((100, 20, 90), (None, None)),
        ((100, 20, 0), (None, None)),
        ((100, 20, "120"), (100, 20)),
        ((2**63, 20, None), (None, 20)),
        ((2**63, 2**64, 2**65), (None, None)),
        ((-1, 2, None), (None, 2)),
        ((True, 2.0, []), (None, None)),
        ((0, 0, 0), (0, 0)),
    ],
)
def test_token_counts(reported: tuple[Any, Any, Any], counts: tuple[Any, Any]) -> None:
    assert token_counts(*reported) == counts


@every
@pytest.mark.parametrize(("total", "completion"), [(150, 50), (2**63, 20), (None, 20)])
def test_tokens_that_only_the_total_includes_are_counted(
    opened: Open, total: int | None, completion: int
) -> None:
    answer = ok("{}", 100, 20)
    answer.openai["usage"]["total_tokens"] = answer.gemini["usageMetadata"]["totalTokenCount"] = (
        total
    )
    reply = outcome(opened, answer)
    assert isinstance(reply, Reply)
    assert (reply.prompt_tokens, reply.completion_tokens) == (100, completion)


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, {"temperature": 0.1, "max_tokens": 2048}),
        ({"token_limit": "max_completion_tokens"},
         {"temperature": 0.1, "max_completion_tokens": 2048}),
        ({"temperature": "default", "max_tokens": 100}, {"max_tokens": 100}),
        ({"temperature": 0}, {"temperature": 0, "max_tokens": 2048}),
    ],
)  # fmt: skip
def test_settings_that_models_differ_in(settings: dict[str, Any], sent: dict[str, Any]) -> None:
    with serving(ok("{}")) as api:
        open_openai(api.url, **settings).ask(QUESTION)
    names = ("temperature", "max_tokens", "max_completion_tokens")
    assert {k: v for k, v in api.asked[0].body.items() if k in names} == sent


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
        ("https://openai.com.example/v1", "max_tokens"),
    ],
)
def test_the_usual_name_of_the_token_limit(url: str, name: str) -> None:
    endpoint: Any = OpenAIEndpoint.open(OpenAISettings(model="m", base_url=url), None)
    assert endpoint._sampling(Question("", "", None)) == {"temperature": 0.1, name: 2048}


@google
def test_gemini_without_a_temperature(opened: Open) -> None:
    with serving(ok("{}")) as api:
        opened(api.url, temperature="default").ask(QUESTION)
    assert "temperature" not in api.asked[0].body["generationConfig"]
