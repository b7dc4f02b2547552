"""Fake server for Gemini's REST API and OpenAI's, on loopback, with scripted replies and errors.

    with serving(ok('{"safety": 7}')) as api:            # the same reply to every request
    with serving([status(503), ok("...")]) as api:       # in this order; the last one repeats
    with serving(lambda request: ok(...)) as api:        # a reply that depends on the request
    with serving() as api:                               # a judge that gives every answer a 7
        api.url          http://127.0.0.1:PORT           (Gemini's base_url)
        api.url + "/v1"                                  (OpenAI's base_url)
        api.asked        the questions received: path, headers, body, number
        api.probes       the probes received, which are not questions and have number 0

A probe gets the reply of a working judge, or what ``serving(..., probe=...)`` scripts.

For another judge, write a function that takes the request (`Asked`: `.system`, `.user`,
`.schema`) and returns the text of the reply: ``serving(judged(function))``.
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
    """A received request; ``headers`` has lower-case keys, ``number`` counts from 1."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    number: int

    @property
    def gemini(self) -> bool:
        return ":generateContent" in self.path

    @property
    def is_probe(self) -> bool:
        return "test of the connection" in self.user

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
        """The JSON Schema of the reply, whichever key contains it; empty if there is none."""
        if self.gemini:
            config = self.body["generationConfig"]
            return config.get("responseJsonSchema") or config.get("responseSchema") or {}
        response_format = self.body.get("response_format", {})
        return response_format.get("json_schema", {}).get("schema", {})


@dataclass
class Answer:
    """An HTTP response.

    ``gemini`` and ``openai``: the body for either API, as JSON or as raw bytes. ``delivery``:
    ``complete``; ``truncated`` or ``reset`` within the body; ``trickle`` or ``hang`` until the
    server stops.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    gemini: Any = None
    openai: Any = None
    delivery: str = "complete"


Script = Callable[[Asked], Answer]


def ok(
    text: str | None,
    prompt_tokens: Any = 100,
    completion_tokens: Any = 20,
    thinking: int = 0,
    finish: str = "stop",
) -> Answer:
    """Return a reply; ``finish`` is OpenAI's reason (``stop``, ``length``, ``content_filter``)."""
    gemini_reasons = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    candidate: dict[str, Any] = {"finishReason": gemini_reasons.get(finish, finish), "index": 0}
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
    """Return an error. ``details``: Google's. ``kind``: Google's status and OpenAI's code."""
    google = {"error": {"code": code, "message": message, "status": kind, "details": [*details]}}
    openai = {"error": {"message": message, "type": kind, "code": kind, "param": None}}
    if body is not None:
        google = openai = body
    return Answer(code, headers or {}, google, openai)


def body(value: Any, code: int = 200) -> Answer:
    """Return a response with the JSON ``value`` as its body, for either API."""
    return Answer(code, {}, value, value)


def choice(message: Any, finish: Any = "stop", **more: Any) -> Answer:
    """Return a chat completion with this message; ``more``: further fields of its choice."""
    answer = ok("")
    answer.openai["choices"][0] |= {"message": message, "finish_reason": finish, **more}
    return answer


def blocked() -> Answer:
    """Return a reply in which the prompt is blocked (Gemini) or the model refuses (OpenAI)."""
    answer = ok(None)
    answer.gemini = {"promptFeedback": {"blockReason": "SAFETY"}}
    answer.openai["choices"][0]["message"]["refusal"] = "I can't assist with that."
    return answer


def candidates(count: int) -> Answer:
    """Return a response with ``count`` candidates (Gemini) or choices (OpenAI)."""
    answer = ok("{}")
    answer.gemini["candidates"] *= count
    answer.openai["choices"] *= count
    return answer


def raw(body: bytes) -> Answer:
    """Return a response with this body, which need not be valid JSON."""
    return Answer(gemini=body, openai=body, headers={"Content-Type": "application/json"})


def cut() -> Answer:
    """Return a response whose connection is closed within the body."""
    return Answer(gemini=b'{"', openai=b'{"', delivery="truncated")


def reset() -> Answer:
    """Return a response whose connection is reset within the body."""
    return Answer(gemini=b'{"', openai=b'{"', delivery="reset")


def trickle() -> Answer:
    """Return a response that sends single characters without ever ending."""
    return Answer(delivery="trickle")


def hang() -> Answer:
    """Return a response that is never sent."""
    return Answer(delivery="hang")


def judged(judge: Callable[[Asked], str]) -> Script:
    """Return a script that replies with the text that ``judge`` returns for the request."""
    return lambda request: ok(judge(request))


def sevens(request: Asked) -> str:
    """Return a valid verdict: the fence of the prompt, reasons, and 7 of 10 (or 1 of 1) each."""
    fence = re.search(r"\b[0-9a-f]{16}\b", request.user)
    # without a schema, the instructions show the form of the reply
    keys = request.schema.get("properties") or re.findall(r'"(\w+)": <', request.system)
    score = 1 if "0 or 1" in request.system else 7
    texts = {"fence": fence[0] if fence else "", "reasons": "It was read."}
    ordered = sorted(keys, key=lambda key: (key != "fence", key != "reasons"))
    return json.dumps({key: texts.get(key, score) for key in ordered})


class Api(ThreadingHTTPServer):
    """The server: ``script`` maps a question to its response, ``asked`` lists all questions.

    ``probe`` and ``probes`` are the same for probes.
    """

    def __init__(self, script: Script, probe: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.probe = script, probe
        self.asked: list[Asked] = []
        self.probes: list[Asked] = []
        self.stopping, self.lock = Event(), Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Ignore clients that close the connection early."""


class _Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:  # name required by http.server
        api = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        headers = {k.lower(): v for k, v in self.headers.items()}
        request = Asked(self.path, headers, body, 0)
        known = request.gemini or self.path.endswith("/chat/completions")
        script = api.probe if known and request.is_probe else api.script
        with api.lock:
            if script is api.script:
                request.number = len(api.asked) + 1
            (api.asked if script is api.script else api.probes).append(request)
        self._send(script(request) if known else status(404), request.gemini)

    def _send(self, answer: Answer, gemini: bool) -> None:
        content = answer.gemini if gemini else answer.openai
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        if answer.delivery == "hang":
            self.server.stopping.wait()
        complete = answer.delivery == "complete"
        if answer.status == 204:  # has no body
            data = b""
        self.send_response(answer.status)
        length = len(data) if complete else 1_000_000
        standard = {"Content-Type": "application/json", "Content-Length": str(length)}
        for key, value in {**standard, **answer.headers}.items():
            self.send_header(key, value)
        self.end_headers()
        while answer.delivery == "trickle" and not self.server.stopping.wait(0.02):
            self.wfile.write(b" ")
        self.wfile.write(data)
        if not complete:
            self.close_connection = True
        if answer.delivery == "reset":  # close with a TCP reset (RST)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


def _script(script: Script | Answer | Sequence[Answer]) -> Script:
    if isinstance(script, Answer):
        return _scripted([script])
    return script if callable(script) else _scripted(script)


def _scripted(answers: Sequence[Answer]) -> Script:
    return lambda request: answers[min(request.number, len(answers)) - 1]


@contextmanager
def serving(
    script: Script | Answer | Sequence[Answer] | None = None, probe: Script | Answer | None = None
) -> Iterator[Api]:
    """Run a server that replies by ``script``, and to probes by ``probe``, until the block ends."""
    api = Api(
        _script(judged(sevens) if script is None else script), _script(probe or judged(sevens))
    )
    thread = Thread(target=api.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.stopping.set()
        api.shutdown()
        api.server_close()
        thread.join()
