"""The three client libraries against a real server: the same errors, classified the same way."""

import logging
import os
import re
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr
from support.benchmarks import BENCHMARKS, judged, names, rubric_of
from support.endpoint import (
    Answer,
    Api,
    blocked,
    candidates,
    cut,
    hang,
    ok,
    raw,
    reset,
    serving,
    status,
    trickle,
)
from support.project import PATIENCE, ROOT, clean_environment

from lek.judges.llm import prompt, reply
from lek.profile.schema import GeminiSettings, OpenAISettings
from lek.providers import errors
from lek.providers.errors import PermanentError, ProviderError, RejectedRequest, TransientError
from lek.providers.gemini import GeminiEndpoint
from lek.providers.genai import GenaiEndpoint
from lek.providers.openai import OpenAIEndpoint
from lek.providers.request import Endpoint, Question, Reply
from lek.records import Case, Response, Vote

KEY = "AIza-not-a-real-key-0123456789"
SCHEMA = {
    "type": "object",
    "properties": {
        "reasons": {"type": "string"},
        "awareness": {"type": "integer", "minimum": 1, "maximum": 10},
    },
    "required": ["reasons", "awareness"],
    "additionalProperties": False,
}
QUESTION = Question("You are a judge.", "Judge <this> – “here”, 你好.", SCHEMA)
GOOGLE = "type.googleapis.com/google.rpc."
DAY = {"@type": f"{GOOGLE}QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDay-Free"}]}
MINUTE = {"@type": f"{GOOGLE}QuotaFailure", "violations": [{"quotaId": "RequestsPerMinute"}]}
RETRY = {"@type": f"{GOOGLE}RetryInfo", "retryDelay": "34.5s"}
BAD_KEY = {"@type": f"{GOOGLE}ErrorInfo", "reason": "API_KEY_INVALID"}


class Client(NamedTuple):
    """A client library: its name, and a function ``(url, key)`` that opens an endpoint."""

    name: str
    open: Callable[[str, str | None], Endpoint]


def gemini(kind: Any) -> Callable[[str, str | None], Endpoint]:
    def opened(url: str, key: str | None) -> Endpoint:
        settings = GeminiSettings(model="judge-1", base_url=url, timeout=20, temperature=0.25)
        return kind.open(settings, SecretStr(key) if key else None)

    return opened


def openai(url: str, key: str | None, **more: Any) -> Endpoint:
    settings = OpenAISettings(
        model="judge-1",
        base_url=f"{url}/v1",
        timeout=20,
        temperature=0.25,
        key="JUDGE_KEY" if key else None,
        **more,
    )
    return OpenAIEndpoint.open(settings, SecretStr(key) if key else None)


GENERATIVEAI = Client("google-generativeai", gemini(GeminiEndpoint))
GENAI = Client("google-genai", gemini(GenaiEndpoint))
OPENAI = Client("openai", openai)
BOTH = (GENERATIVEAI, GENAI)
ALL = (*BOTH, OPENAI)
# a warning of google.api_core about old Python versions
pytestmark = pytest.mark.filterwarnings("ignore:You are using a Python version:FutureWarning")
every = pytest.mark.parametrize("client", ALL, ids=lambda c: c.name)


@pytest.fixture(autouse=True)
def no_leak(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    """In every test: other keys are not used, and no log record contains the test's key."""
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, f"wrong-{name}")
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    caplog.set_level(logging.DEBUG)
    yield
    assert not [r for r in caplog.records if KEY in f"{r.getMessage()} {r.__dict__}"]
    assert "wrong-" not in caplog.text


def asked(client: Client, api: Api) -> Reply | ProviderError:
    """The outcome of one question, which must be a single request with the test's key."""
    endpoint = client.open(api.url, KEY)
    try:
        found: Reply | ProviderError = endpoint.ask(QUESTION)
    except ProviderError as fault:
        found = fault
        told = "".join(traceback.format_exception(fault))
        assert KEY not in told + repr(fault)
        text = str(fault)
        assert text.isprintable() and "\n" not in text and len(text) < 330
        assert fault.__cause__ is None and fault.__context__ is None
    (one,) = api.asked
    header = one.headers["authorization" if client is OPENAI else "x-goog-api-key"]
    assert header == (f"Bearer {KEY}" if client is OPENAI else KEY)
    assert KEY not in one.path + str(one.body)
    return found


@every
def test_a_question_is_sent_as_it_is_and_a_reply_comes_back(client: Client) -> None:
    with serving(ok('{"awareness": 7}', 120, 30, thinking=12)) as api:
        found = asked(client, api)
    assert isinstance(found, Reply)
    assert found._replace(model=None) == Reply('{"awareness": 7}', None, "stop", 120, 42)
    (one,) = api.asked
    assert (one.system, one.user) == (QUESTION.system, QUESTION.user)
    if client is OPENAI:
        assert one.path == "/v1/chat/completions"
        assert one.body["model"] == "judge-1"
        assert (one.body["temperature"], one.body["max_tokens"]) == (0.25, 2048)
        assert one.body["response_format"]["json_schema"]["strict"] is True
        assert one.schema == SCHEMA
        return
    assert one.path.split("?")[0] == "/v1beta/models/judge-1:generateContent"
    form = one.body["generationConfig"]
    assert (form["temperature"], form["maxOutputTokens"]) == (0.25, 2048)
    assert form["responseMimeType"] == "application/json"
    assert set(one.schema["properties"]) == {"reasons", "awareness"}
    # properties of a JSON Schema are ordered; in the other library's schema they are a map
    order = list(one.schema["properties"]) if client is GENAI else one.schema["propertyOrdering"]
    assert order == one.schema["required"] == ["reasons", "awareness"]
    thresholds = [s["threshold"] for s in one.body["safetySettings"]]
    assert len(thresholds) == 4 and set(thresholds) <= {
        4,
        "BLOCK_NONE",
    }  # 4 is the number of BLOCK_NONE


REPLIES: dict[str, tuple[Answer, str | None, str | None, str | None]] = {
    "length": (ok("half a", finish="length"), "half a", None, "length"),
    "length without text": (ok("", finish="length"), None, "used up max_tokens = 2048", "length"),
    "blocked prompt": (blocked(), None, "the prompt was blocked: SAFETY|the judge refused", None),
    "blocked reply": (ok("x", finish="content_filter"), None, "SAFETY|content_filter", None),
    "no candidate": (candidates(0), None, "no (candidates|choices)", None),
    "two candidates": (candidates(2), None, "2 (candidates|choices)", None),
    "no parts": (ok(None), None, "empty", "stop"),
    "blank": (ok(" \n"), None, "empty", "stop"),
    "an echo of the key": (ok(f"it is {KEY}."), "it is [key].", None, "stop"),
}


@every
@pytest.mark.parametrize("case", REPLIES)
def test_a_reply_is_a_text_or_a_reason(client: Client, case: str) -> None:
    answer, text, reason, finish = REPLIES[case]
    with serving(answer) as api:
        found = asked(client, api)
    assert isinstance(found, Reply)
    assert (found.text, found.finish) == (text, finish)
    assert (reason is None) == (found.reason is None)
    assert re.search(reason or "", found.reason or "")


@pytest.mark.parametrize("finish", ["RECITATION", "PROHIBITED_CONTENT", "SPII", "NEW_IN_2031"])
@pytest.mark.parametrize("client", BOTH, ids=lambda c: c.name)
def test_what_gemini_broke_off_is_no_reply(client: Client, finish: str) -> None:
    with serving(ok('{"awareness": 7}', finish=finish)) as api:
        found = asked(client, api)
    assert isinstance(found, Reply) and found.text is None
    assert found.reason == f"the reply was blocked or incomplete: {finish}"


@every
def test_a_key_in_any_field_of_a_reply_is_removed(client: Client) -> None:
    answer = ok(None, finish=f"because of {KEY}")
    with serving(answer) as api, warnings.catch_warnings(record=True) as warned:
        found = asked(client, api)
    assert isinstance(found, Reply) and found.reason is not None
    assert "[key]" in found.reason and not [w for w in warned if KEY in str(w.message)]


@every
@pytest.mark.parametrize("tokens", [(-4, -1), (None, None), (0, None)])
def test_tokens_that_make_no_sense_are_not_known(client: Client, tokens: tuple[Any, Any]) -> None:
    with serving(ok("x", *tokens)) as api:
        found = asked(client, api)
    assert isinstance(found, Reply) and found.text == "x"
    assert not found.prompt_tokens and found.completion_tokens is None


Later, Never, Not = TransientError, PermanentError, RejectedRequest
FAULTS: dict[str, tuple[Answer, type[ProviderError], str, float | None]] = {
    "401": (status(401, f"bad {KEY}"), Never, r"^\w+_KEY: refused \(401 bad \[key\]\); ch", None),
    "403": (status(403), Never, r"^\w+_KEY: refused \(403 told so\); check the key", None),
    "404": (status(404), Never, r"no model judge-1 \(404", None),
    "400": (status(400, "too\x00 long\n\n" * 99), Not, r"^400 too long .* … .*too long", None),
    "413": (status(413, body=b"<html>"), Not, "^413 <html>", None),
    "422": (status(422, body={"error": "odd"}), Not, "^422 odd", None),
    "408": (status(408), Later, "^408", None),
    "409": (status(409), Later, "^409", None),
    "429": (status(429, details=[MINUTE]), Later, "^429 told so", None),
    "429, seconds": (status(429, headers={"Retry-After": "7"}), Later, "^429", 7.0),
    "429, nonsense": (status(429, headers={"Retry-After": "soon"}), Later, "^429", None),
    "429, infinite": (status(429, headers={"Retry-After": "1e999"}), Later, "^429", None),
    "429, thousandths": (status(429, headers={"retry-after-ms": "1500"}), Later, "^429", 1.5),
    "429, past": (
        status(429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), Later, "^429", 0.0
    ),
    "429, an hour": (
        status(429, headers={"Retry-After": "3600"}), Never, r"resume after \d{4}-\d\d-\d\d", None
    ),
    "429, for ever": (status(429, headers={"Retry-After": "9" * 15}), Never, "resume in 1", None),
    "500": (status(500, body=b"\xff not JSON"), Later, "^500", None),
    "502": (status(502, body=[]), Later, "^502", None),
    "503": (status(503, headers={"Retry-After": "2"}), Later, "^503 told so", 2.0),
    "529": (status(529), Later, "^529", None),
    "402": (status(402, "no balance"), Never, "^402 no balance", None),
    "redirect": (status(307, headers={"Location": "/v1/else"}), Never, "^307.*base_url", None),
    "cut": (cut(), Later, "connection failed or interrupted", None),
    "reset": (reset(), Later, "connection failed or interrupted", None),
    "no JSON": (raw(b"<html>It works!</html>"), Later, "not in the documented format", None),
    "half a JSON": (raw(b'{"choices": [{"mess'), Later, "not in the documented format", None),
    "no text at all": (raw(b""), Later, "not in the documented format", None),
    "no text encoding": (raw(b'{"a": "\xff"}'), Later, "not in the documented format", None),
    "another JSON": (raw(b"[1, 2]"), Later, "not in the documented format", None),
}  # fmt: skip


@every
@pytest.mark.parametrize("case", FAULTS)
def test_errors_are_classified_by_what_can_be_done(client: Client, case: str) -> None:
    answer, kind, text, after = FAULTS[case]
    with serving(answer) as api:
        found = asked(client, api)
    assert type(found) is kind, found
    assert re.search(text, str(found)), found
    assert getattr(found, "after", None) == after


@every
def test_a_date_to_come_is_waited_for(client: Client) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with serving(status(503, headers={"Retry-After": when})) as api:
        found = asked(client, api)
    assert isinstance(found, TransientError) and found.after is not None and 30 < found.after < 91


@pytest.mark.parametrize("client", BOTH, ids=lambda c: c.name)
def test_gemini_says_more_in_details(client: Client) -> None:
    with serving(status(400, "API key not valid", details=[BAD_KEY])) as api:
        found = asked(client, api)
    assert type(found) is PermanentError
    assert str(found) == "GEMINI_API_KEY: refused (400 API key not valid); check the key"
    with serving(status(429, details=[MINUTE, RETRY])) as api:
        found = asked(client, api)
    assert isinstance(found, TransientError) and found.after == 34.5
    with serving(status(429, details=[DAY, RETRY])) as api:
        found = asked(client, api)
    assert type(found) is PermanentError
    assert re.search(r"day's quota .*resume after \d{4}-\d\d-\d\d \d\d:\d\d ", str(found))
    with serving(status(400, "no service here", kind="FAILED_PRECONDITION")) as api:
        found = asked(client, api)
    assert type(found) is PermanentError and str(found) == "400 no service here"


def test_midnight_pacific_is_within_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    when = re.search(r"\(?(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\)?$", errors.midnight_pacific())
    assert when is not None
    left = datetime.fromisoformat(f"{when[1]}+00:00") - datetime.now(UTC)
    assert timedelta(minutes=-1) <= left <= timedelta(hours=25)  # 25: the clocks go back
    assert when[1][-5:] in ("07:00", "08:00")

    def none(name: str) -> None:
        raise errors.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(errors, "ZoneInfo", none)
    assert errors.midnight_pacific() == "resume after midnight Pacific time"


def test_openai_says_more_in_codes_and_words() -> None:
    with serving(status(429, "You exceeded your quota", kind="insufficient_quota")) as api:
        found = asked(OPENAI, api)
    assert type(found) is PermanentError and str(found) == (
        "the quota is used up (You exceeded your quota); check the account"
    )
    for word in ("on requests per day", "(TPD)"):
        headers = {"x-ratelimit-reset-requests": "1h2m0s"}
        with serving(status(429, f"Limit reached {word}", headers)) as api:
            found = asked(OPENAI, api)
        assert type(found) is PermanentError and re.search(
            "day's quota .*; resume after ", str(found)
        )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("34.07s", 34.07), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("1d", 86400),
        ("", None), ("soon", None), ("1.2.3s", None), ("-3s", None), (None, None), ("5", None),
    ],
)  # fmt: skip
def test_durations(text: Any, seconds: float | None) -> None:
    assert errors.duration(text) == (None if seconds is None else pytest.approx(seconds))


def shortened(client: Client, url: str) -> Endpoint:
    endpoint: Any = client.open(url, KEY)
    settings = endpoint._settings.model_copy(update={"timeout": 0.3})
    return type(endpoint).open(settings, SecretStr(KEY))


@every
@pytest.mark.parametrize("answer", [hang(), trickle()], ids=["hang", "trickle"])
def test_the_timeout_applies_to_the_complete_reply(client: Client, answer: Answer) -> None:
    with serving(answer) as api:
        endpoint = shortened(client, api.url)
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"no complete reply after 0\.3 s"):
            endpoint.ask(QUESTION)
        assert time.monotonic() - began < 150  # far below the duration of an endless trickle
    assert len(api.asked) <= 1


@every
def test_refused_connections_are_transient(client: Client) -> None:
    with serving() as api:
        url = api.url
    with pytest.raises(TransientError, match="connection failed"):
        client.open(url, KEY).ask(QUESTION)


@every
@pytest.mark.parametrize("key", ["k\u00e9y-with-an-accent", "two words", "a\nb"])
def test_a_key_that_no_header_can_hold(client: Client, key: str) -> None:
    with serving() as api, pytest.raises(PermanentError, match=r"^\w+_KEY: holds no key") as told:
        client.open(api.url, key).ask(QUESTION)
    assert key not in str(told.value) and not api.asked


def test_without_a_key_none_of_the_environment_is_sent() -> None:
    with serving(status(401)) as api, pytest.raises(PermanentError, match="refused without a key"):
        openai(api.url, None).ask(QUESTION)
    assert api.asked[0].headers["authorization"] == "Bearer none"


@every
def test_a_judge_that_several_threads_ask(client: Client) -> None:
    """Real questions, each with its own fence, are not mixed up, and the replies can be parsed."""
    cases = [Case(id=str(i), benchmark=b, prompt="Why?") for i in range(4) for b in BENCHMARKS]
    answer = Response(subject="lek", case="", text="Because.")

    def vote(case: Case) -> Vote | str:
        nonce = prompt.nonce(BENCHMARKS[case.benchmark], case, answer)
        question = prompt.question(rubric_of(case.benchmark), case, answer, nonce)
        return reply.parse_reply(endpoint.ask(question), judged(case.benchmark), nonce)

    with serving() as api, ThreadPoolExecutor(16) as pool:
        endpoint = client.open(api.url, KEY)
        votes = list(pool.map(vote, cases))
        if client is OPENAI:
            endpoint = openai(api.url, KEY, structured="none")
            votes += map(vote, cases[:5])
    for found, case in zip(votes, cases * 2, strict=False):
        score = min(7, judged(case.benchmark)[0].scale.high)
        assert isinstance(found, Vote), found
        assert found.scores == dict.fromkeys(names(case.benchmark), score)


def test_openai_gets_only_the_parameters_that_it_supports() -> None:
    with serving(ok("x")) as api:
        openai(api.url, KEY, structured="json_object").ask(QUESTION)
        openai(api.url, KEY, structured="none").ask(QUESTION)
    first, second = api.asked
    assert first.body["response_format"] == {"type": "json_object"}
    assert "response_format" not in second.body


def test_the_libraries_say_nothing_untrue_and_warn_of_no_more_than_they_must(
    caplog: pytest.LogCaptureFixture,
) -> None:
    code = "from lek.profile.schema import *; from lek.providers.gemini import *\n"
    code += "GeminiEndpoint.open(GeminiSettings(model='m'), SecretStr('k'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0 and "All support" not in done.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GENAI.open("http://127.0.0.1:9", KEY)
    assert "Using GOOGLE_API_KEY" not in caplog.text


@pytest.mark.parametrize("level", ["debug", "info"])
def test_logging_enabled_by_the_environment_shows_no_key(level: str) -> None:
    """A server that echoes the key, and a client with all logging enabled."""
    code = f"""
import logging, sys
logging.basicConfig(level=logging.DEBUG)
sys.path[:0] = [{str(ROOT / "tests")!r}, {str(ROOT / "tests" / "providers")!r}]
from support.endpoint import serving, ok, status
from lek.providers.errors import ProviderError
from test_vendors import ALL, KEY, QUESTION
for client in ALL:
    for answer in (ok(KEY), status(429, KEY, headers={{"X-Echo": KEY}})):
        with serving(answer) as api:
            try:
                client.open(api.url, KEY).ask(QUESTION)
            except ProviderError as fault:
                logging.exception("it failed")
            assert len(api.asked) == 1
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment()
        | {
            "OPENAI_LOG": level,
            "HTTPX_LOG_LEVEL": level,
            "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google",
            "NO_PROXY": "*",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "it failed" in done.stderr
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("key", [None, "of-the-profile-1234"])
@pytest.mark.parametrize(
    "headers",
    [
        "Authorization: Bearer of-somebody",
        "authorization:of-somebody\nX-Api-Key: of-somebody",
        "User-Agent: of-somebody",
        "X-Stainless-Lang: of-somebody\nX-Stainless-Account: of-somebody",
        "OpenAI-Organization: of-somebody\nCookie: session=of-somebody",
    ],
)
def test_headers_in_the_environment_are_not_sent(
    monkeypatch: pytest.MonkeyPatch, headers: str, key: str | None
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", headers)
    with serving(ok("{}")) as api:
        settings = OpenAISettings(
            model="m", base_url=f"{api.url}/v1", key="MY_KEY" if key else None
        )
        reply = OpenAIEndpoint.open(settings, SecretStr(key) if key else None).ask(QUESTION)
    assert reply.text == "{}"
    assert "of-somebody" not in str(api.asked[0].headers)
    assert api.asked[0].headers["authorization"] == f"Bearer {key or 'none'}"


def test_the_account_in_the_environment_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "of-somebody")
    with serving(ok("{}")) as api:
        settings = OpenAISettings(model="m", base_url=f"{api.url}/v1")
        OpenAIEndpoint.open(settings, None).ask(QUESTION)
    assert "of-somebody" not in str(api.asked[0].headers)
