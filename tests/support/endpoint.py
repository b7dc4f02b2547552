"""Questions over HTTP -> replies or faults as told: Gemini's REST API and OpenAI's, on loopback.

    with serving(ok('{"safety": 7}')) as api:            # the same for every request
    with serving([status(503), ok("...")]) as api:       # one after the other, the last for ever
    with serving(lambda asked: ok(...)) as api:          # by what was asked
    with serving() as api:                               # a judge that gives every answer a 7
        api.url          http://127.0.0.1:PORT           (Gemini's base_url)
        api.url + "/v1"                                  (OpenAI's)
        api.asked        what came: path, headers, body, number

A judge of one's own is a function from the request (`Asked`: `.system`, `.user`, `.schema`) to
the text of the reply: ``serving(judged(function))``.
"""

import json
import re
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any


@dataclass
class Asked:
    """One request; ``headers`` in lower case, ``number`` from 1 on in order of arrival."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    number: int

    @property
    def gemini(self) -> bool:
        return ":generateContent" in self.path

    @property
    def system(self) -> str:
        if self.gemini:
            return self.body["systemInstruction"]["parts"][0]["text"]
        return self.body["messages"][0]["content"]

    @property
    def user(self) -> str:
        if self.gemini:
            return self.body["contents"][0]["parts"][0]["text"]
        return self.body["messages"][-1]["content"]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema that was sent, in whatever form; empty where none was."""
        if self.gemini:
            form = self.body["generationConfig"]
            return form.get("responseJsonSchema") or form.get("responseSchema") or {}
        form = self.body.get("response_format", {})
        return form.get("json_schema", {}).get("schema", {})


@dataclass
class Answer:
    """What is sent. ``manner``: whole, cut, reset (mid-body), trickle or hang."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    gemini: Any = None  # the body, for each kind of API: JSON, or bytes as they are
    openai: Any = None
    manner: str = "whole"


Script = Callable[[Asked], Answer]


def ok(
    text: str | None,
    prompt_tokens: Any = 100,
    completion_tokens: Any = 20,
    thinking: int = 0,
    finish: str = "stop",
) -> Answer:
    """A reply; ``finish`` as OpenAI says it (``stop``, ``length``, ``content_filter``)."""
    names = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    candidate: dict[str, Any] = {"finishReason": names.get(finish, finish), "index": 0}
    if text is not None:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    message = {"role": "assistant", "content": text}
    usage: dict[str, Any] = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    counts: dict[str, Any] = {
        "promptTokenCount": prompt_tokens,
        "candidatesTokenCount": completion_tokens,
    }
    if isinstance(prompt_tokens, int) and isinstance(completion_tokens, int):
        counts["totalTokenCount"] = prompt_tokens + completion_tokens + thinking
        counts["thoughtsTokenCount"] = thinking
        usage["completion_tokens"] += thinking
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Answer(
        gemini={"candidates": [candidate], "usageMetadata": counts},
        openai={
            "id": "1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice], "usage": usage,
        },
    )  # fmt: skip


def status(
    code: int,
    message: str = "told so",
    headers: dict[str, str] | None = None,
    details: Sequence[dict[str, Any]] = (),
    kind: str = "",
    body: Any = None,
) -> Answer:
    """An error. ``details`` are Google's, ``kind`` is Google's status and OpenAI's code."""
    google = {"error": {"code": code, "message": message, "status": kind, "details": [*details]}}
    openai = {"error": {"message": message, "type": kind, "code": kind, "param": None}}
    if body is not None:
        google = openai = body
    return Answer(code, headers or {}, google, openai)


def blocked() -> Answer:
    """The prompt is refused (Gemini), or the judge refuses (OpenAI)."""
    answer = ok(None)
    answer.gemini = {"promptFeedback": {"blockReason": "SAFETY"}}
    answer.openai["choices"][0]["message"]["refusal"] = "I can't assist with that."
    return answer


def candidates(count: int) -> Answer:
    """``count`` replies in one."""
    answer = ok("{}")
    answer.gemini["candidates"] *= count
    answer.openai["choices"] *= count
    return answer


def raw(body: bytes) -> Answer:
    """A body that is perhaps no JSON."""
    return Answer(gemini=body, openai=body, headers={"Content-Type": "application/json"})


def cut() -> Answer:
    """The connection is closed within the body."""
    return Answer(gemini=b'{"', openai=b'{"', manner="cut")


def reset() -> Answer:
    """The connection is reset within the body."""
    return Answer(gemini=b'{"', openai=b'{"', manner="reset")


def trickle() -> Answer:
    """A character now and then, without end."""
    return Answer(manner="trickle")


def hang() -> Answer:
    """Nothing, without end."""
    return Answer(manner="hang")


def judged(judge: Callable[[Asked], str]) -> Script:
    """A script of replies whose texts ``judge`` gives."""
    return lambda asked: ok(judge(asked))


def sevens(asked: Asked) -> str:
    """A well-formed verdict: the fence of the prompt, reasons, 7 of 10 (or 1 of 1) throughout."""
    fence = re.search(r"\b[0-9a-f]{16}\b", asked.user)
    found: dict[str, Any] = {}
    # what has no schema (or lost its bounds) is asked for in the words of the instructions
    form = asked.schema.get("properties") or dict.fromkeys(re.findall(r'"(\w+)": <', asked.system))
    fraction = "0 or 1" in asked.system
    for key in sorted(form, key=lambda k: (k != "fence", k != "reasons")):
        texts = {"fence": fence[0] if fence else "", "reasons": "It was read."}
        found[key] = texts.get(key, 1 if fraction else 7)
    return json.dumps(found)


class Api(ThreadingHTTPServer):
    """The server; see above."""

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.asked: list[Asked] = []
        self.ending, self.lock = Event(), Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:  # the name that http.server wants
        api = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        headers = {k.lower(): v for k, v in self.headers.items()}
        with api.lock:
            asked = Asked(self.path, headers, body, len(api.asked) + 1)
            api.asked.append(asked)
        known = asked.gemini or self.path.endswith("/chat/completions")
        self._send(api.script(asked) if known else status(404), asked.gemini)

    def _send(self, answer: Answer, gemini: bool) -> None:
        content = answer.gemini if gemini else answer.openai
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        if answer.manner == "hang":
            self.server.ending.wait()
        whole = answer.manner == "whole"
        self.send_response(answer.status)
        length = len(data) if whole else 1_000_000
        standard = {"Content-Type": "application/json", "Content-Length": str(length)}
        for key, value in {**standard, **answer.headers}.items():
            self.send_header(key, value)
        self.end_headers()
        while answer.manner == "trickle" and not self.server.ending.wait(0.02):
            self.wfile.write(b" ")
        self.wfile.write(data)
        if not whole:
            self.close_connection = True
        if answer.manner == "reset":  # no lingering: what is unread is lost with a RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


def _scripted(answers: Sequence[Answer]) -> Script:
    return lambda asked: answers[min(asked.number, len(answers)) - 1]


@contextmanager
def serving(script: Script | Answer | Sequence[Answer] | None = None) -> Iterator[Api]:
    """A server that answers by ``script`` while the block runs."""
    if script is None:
        script = judged(sevens)
    elif isinstance(script, Answer):
        script = _scripted([script])
    api = Api(script if callable(script) else _scripted(script))
    thread = Thread(target=api.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.ending.set()
        api.shutdown()
        api.server_close()
        thread.join()
