"""Served subjects: `pytest evals` with models behind OpenAI's API, on loopback."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Barrier, Event, Lock

import pytest
from support import tiny
from support.endpoint import (
    Answer,
    Asked,
    blocked,
    choice,
    ok,
    reset,
    serving,
    sevens,
    status,
)
from support.pages import texts_of
from support.project import PATIENCE, ROOT, Outcome, Project, clean_environment, interrupted
from support.server import mlx_server

from lek.data.kernel import load_kernel

KEY = "sk-served-0123456789-key"
PROFILE = """
[data]
source = "path"
dir = "../../data"
benchmarks = ["truthfulqa"]
[decoding]
max_tokens = 32
{decoding}
[[subjects]]
name = "base"
{subject}
[subjects.openai]
model = "a-model"
base_url = "{url}/v1"
key = "SERVED_KEY"
{settings}
{more}
[judges]
default = "{judge}"
[gates]
rules = []
"""
CAREFUL = '[[subjects]]\nname = "careful"\nfrom = "base"\nsystem = "Answer briefly."\n'
CASES = 24


def profile(
    project: Project,
    url: str,
    settings: str = "",
    *,
    decoding: str = "",
    subject: str = "",
    more: str = "",
    judge: str = "none",
) -> Path:
    """Write the project's profile with a served subject, and return its path."""
    path = project.path / "evals" / "profiles" / "small.toml"
    path.write_text(
        PROFILE.format(
            url=url, settings=settings, decoding=decoding, subject=subject, more=more, judge=judge
        )
    )
    return path


def run(project: Project, *arguments: str, key: str = KEY) -> Outcome:
    return project.evaluate("evals", *arguments, env={"SERVED_KEY": key})


def answer(asked: Asked) -> Answer:
    """An answer that names the case and the system message."""
    messages = asked.body["messages"]
    system = f" ({messages[0]['content']})" if len(messages) > 1 else ""
    return ok(f"The answer to {case_of(asked)} is that it depends{system}.")


def case_of(asked: Asked) -> str:
    found = re.search(r"T\d{3}", asked.user)
    assert found is not None
    return found[0]


def texts(done: Outcome, subject: str = "base") -> dict[str, str | None]:
    responses = [v["response"] for v in done.verdicts]
    return {r["case"]: r["text"] for r in responses if r["subject"] == subject}


def reasons(done: Outcome) -> dict[str, str | None]:
    return {v["response"]["case"]: v["response"]["reason"] for v in done.verdicts}


def store(project: Project) -> sqlite3.Connection:
    return sqlite3.connect(project.path / ".lek" / "store.sqlite3")


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_server_answers_once_and_then_the_store_does(project: Project, workers: str) -> None:
    with serving(answer) as api:
        profile(project, api.url, "input_price = 1.0\noutput_price = 2.0\n")
        first = run(project, workers)
        assert (first.code, len(api.asked), len(api.probes)) == (0, CASES, 1), first.out
        second = run(project, workers, key="")  # nothing is sent, so no key is needed
        assert (second.code, len(api.asked), len(api.probes)) == (0, CASES, 1), second.out
        fresh = run(project, workers, "--lek-fresh")
        assert (fresh.code, len(api.asked), len(api.probes)) == (0, 2 * CASES, 2)
    assert texts(first) == {
        f"T{i:03d}": f"The answer to T{i:03d} is that it depends." for i in range(CASES)
    }
    assert texts(first) == texts(second) == texts(fresh)
    assert first.findings == second.findings
    request = api.asked[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "a-model",
        "messages": [{"role": "user", "content": f"Is {case_of(request)} so?"}],
        "max_tokens": 32,
        "temperature": 0.0,
    }
    assert api.probes[0].body.keys() == request.body.keys()
    cost = first.run["answering"]
    assert (cost["requests"], cost["prompt_tokens"], cost["completion_tokens"]) == (25, 2500, 500)
    assert cost["money"] == {"USD": 0.0035} and cost["unread"] == 0
    assert first.run["cost"] is None
    assert "answering cost: 25 requests, 2,500 + 500 tokens, 0.0035 USD" in first.out
    assert second.run["answering"]["requests"] == 0
    response = first.verdicts[0]["response"]
    assert (response["finish"], response["prompt_tokens"]) == ("stop", 100)
    assert response["completion_tokens"] == 20 and response["seconds"] >= 0


def test_the_run_describes_the_server_but_not_its_key(project: Project) -> None:
    def fingerprinted(asked: Asked) -> Answer:
        reply = answer(asked)
        reply.openai |= {"model": f"/srv/a-model-{asked.number % 2}", "system_fingerprint": "fp"}
        return reply

    with serving(fingerprinted) as api:
        profile(project, f"{api.url}", "concurrency = 1\n", more=CAREFUL)
        done = run(project)
    base, careful = done.run["subjects"]
    assert base["recipe"]["openai"]["base_url"] == f"{api.url}/v1"
    assert base["recipe"]["openai"]["concurrency"] == 1
    assert careful["recipe"]["system"] == "Answer briefly."
    assert careful["fingerprint"] == base["fingerprint"]
    for subject in (base, careful):
        assert subject["server"] == {
            "model": "a-model",
            "base_url": f"{api.url}/v1",
            "reported": [
                {"model": "a-model-1", "system_fingerprint": "fp"},
                {"model": "a-model-0", "system_fingerprint": "fp"},
            ],
        }
    assert done.run["decoding"]["max_tokens"] == 32 and done.run["decoding"]["form"] is None
    assert KEY not in json.dumps(done.run)
    assert any(note.startswith("served: base, careful; ") for note in done.run["notes"])
    rows = store(project).execute("SELECT prompt FROM responses").fetchall()
    messages = [json.loads(prompt) for (prompt,) in rows]
    assert [{"role": "user", "content": "Is T003 so?"}] in messages
    assert {len(m) for m in messages} == {1, 2}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_requests_are_concurrent_up_to_the_limit_in_all_processes_together(
    project: Project, workers: str
) -> None:
    """Four requests wait for each other; a fifth one would be seen."""
    together, lock, now, most = Barrier(4, timeout=PATIENCE), Lock(), 0, 0

    def waiting(asked: Asked) -> Answer:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()
        with lock:
            now -= 1
        return answer(asked)

    with serving(waiting) as api:
        profile(project, api.url, "concurrency = 4\n", more=CAREFUL)
        done = run(project, workers)
        assert (done.code, len(api.asked), len(api.probes)) == (0, 2 * CASES, 2), done.out
    assert most == 4


def test_requests_are_paced(project: Project) -> None:
    times: list[float] = []

    def timed(asked: Asked) -> Answer:
        times.append(time.monotonic())
        return answer(asked)

    with serving(timed, probe=timed_probe(times)) as api:
        profile(project, api.url, "rpm = 600\nconcurrency = 8\n")
        assert run(project).code == 0
    # 24 intervals of 0.1 s; the first request may have been received late
    assert len(times) == CASES + 1 and max(times) - min(times) > 1.2


def timed_probe(times: list[float]) -> Callable[[Asked], Answer]:
    def probe(asked: Asked) -> Answer:
        times.append(time.monotonic())
        return ok("ok")

    return probe


def test_requests_are_retried_after_overload(project: Project) -> None:
    def busy(asked: Asked) -> Answer:
        if asked.number % 8 == 3:
            return status(429, "slow down", {"Retry-After": "0.05"})
        if asked.number == 5:
            return status(503, "starting")
        return reset() if asked.number == 6 else answer(asked)

    with serving(busy) as api:
        profile(project, api.url)
        done = run(project)
    assert done.code == 0, done.out
    assert None not in texts(done).values()
    assert done.run["answering"]["requests"] == len(api.asked) + 1 > CASES + 1
    assert done.run["answering"]["unread"] == 1
    assert "answering cost:" in done.out and "at least" in done.out


REPLIES = {
    "T001": (status(400, "maximum context length is 8 tokens"), "400 maximum context length is 8"),
    "T002": (choice({"content": "half a"}, "content_filter"), "blocked or incomplete: content_f"),
    "T004": (ok(None, finish="length"), "thinking used up decoding.max_tokens; raise it"),
    "T005": (ok("<think>on and on", finish="length"), "the thought has no end; raise decoding.m"),
    "T006": (choice({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls"), "tool_calls"),
}


def test_a_case_without_an_answer_has_a_reason_and_does_not_stop_the_others(
    project: Project,
) -> None:
    def some(asked: Asked) -> Answer:
        return REPLIES.get(case_of(asked), [answer(asked)])[0]

    with serving(some) as api:
        profile(project, api.url)
        first = run(project)
        assert (first.code, len(api.asked)) == (0, CASES), first.out
        assert first.counts["unscored"] == len(REPLIES)
        second = run(project)
    assert {c for c, text in texts(first).items() if text is None} == REPLIES.keys()
    for case, (_, reason) in REPLIES.items():
        assert reason in (reasons(first)[case] or ""), case
    codes = {u["code"] for v in first.verdicts for u in v["unscored"].values()}
    assert codes == {"no_response"}
    # what the model said is stored, what the server refused is asked again
    assert {case_of(a) for a in api.asked[CASES:]} == {"T001", "T002", "T006"}
    assert texts(first) == texts(second)


def test_what_a_reply_has_besides_its_text(project: Project) -> None:
    replies = {
        "T001": choice({"content": "Yes.", "reasoning_content": " hm "}),
        "T002": choice({"content": "Yes.", "reasoning": "hm"}),
        "T003": ok("<think>hm</think>\nYes."),
        "T004": ok("Yes, and", finish="length"),
        "T005": ok("Yes.", None, None),
        "T006": choice({"content": "Yes."}, "eos_token"),
        "T007": blocked(),
    }
    replies["T002"].openai["usage"]["completion_tokens_details"] = {"reasoning_tokens": 7}
    with serving(lambda asked: replies.get(case_of(asked)) or answer(asked)) as api:
        profile(project, api.url)
        done = run(project, "--html=r.html", "--self-contained-html")
    assert done.code == 0, done.out
    found = {v["response"]["case"]: v["response"] for v in done.verdicts}
    for case in ("T001", "T002", "T003"):
        assert (found[case]["text"], found[case]["thought"]) == ("Yes.", "hm")
    assert [found[f"T00{i}"]["thought_tokens"] for i in (1, 2, 3)] == [None, 7, None]
    assert (found["T004"]["text"], found["T004"]["finish"]) == ("Yes, and", "length")
    assert found["T005"]["text"] == "Yes."
    assert found["T005"]["prompt_tokens"] is found["T005"]["completion_tokens"] is None
    assert (found["T006"]["text"], found["T006"]["finish"]) == ("Yes.", None)
    assert found["T007"]["text"] == "I can't assist with that."
    assert done.run["answering"]["prompt_tokens"] is None
    assert '"thought": "hm"' in texts_of((project.path / "r.html").read_text())


PROBES = {
    "key": (status(401, "bad key"), "SERVED_KEY: refused (401 bad key); check the key"),
    "model": (status(404, "what?"), "no model a-model (404 what?)"),
    "temperature": (status(400, "temperature must be 1"), "change decoding.temperature"),
    "limit": (status(400, "max_tokens is too large: 32"), "change decoding.max_tokens"),
    "thinking": (
        status(400, "unknown field chat_template_kwargs"), "delete decoding.enable_thinking"
    ),
    "another setting": (
        status(422, "System role not supported"),
        "422 System role not supported; check the settings of this subject, and [decoding]",
    ),
    "redirect": (status(301, headers={"Location": "/login"}), "/login; check base_url"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "workers"), [*((fault, "-n0") for fault in PROBES), ("key", "-n2")]
)
def test_what_the_user_must_correct_is_one_line_before_the_run(
    project: Project, fault: str, workers: str
) -> None:
    reply, message = PROBES[fault]
    with serving(answer, probe=reply) as api:
        profile(project, api.url)
        done = run(project, workers)
        assert (done.code, len(api.asked), len(api.probes)) == (4, 0, 1), done.out
        assert done.error.startswith("evals/profiles/small.toml: base: openai: ")
        assert message in done.error
        assert not done.runs and "INTERNALERROR" not in done.out

        api.probe = lambda asked: ok("ok")
        assert run(project, workers).code == 0


def test_a_missing_key_or_a_closed_port_is_one_line_before_the_run(project: Project) -> None:
    with serving(answer) as api:
        profile(project, api.url)
        done = run(project, key="")
        assert done.code == 4 and not api.asked and not api.probes
        assert "base: openai.key: the environment has no SERVED_KEY; set it" in done.error
    done = run(project)
    assert done.code == 4 and not done.runs
    assert re.search(r"Connection refused \(http://127\.0\.0\.1:\d+/v1\); check base", done.error)


def test_a_refused_key_stops_the_requests_and_keeps_the_answers(project: Project) -> None:
    def refuse(asked: Asked) -> Answer:
        return answer(asked) if asked.number <= 10 else status(401, f"bad key {KEY}")

    with serving(refuse) as api:
        profile(project, api.url, "concurrency = 2\n")
        first = run(project)
        asked = len(api.asked)
        assert first.code == 1 and 11 <= asked <= 12
        assert first.run["counts"]["lost"] == CASES - 10
        told = " ".join(first.out.split())
        assert "base: answers are missing: SERVED_KEY: refused (401 bad key [key])" in told
        assert told.count("base: answers are missing") == 1
        assert "14 cases fail for the same reason" in told
        assert KEY not in first.out
        api.script = answer
        second = run(project)
        assert (second.code, len(api.asked)) == (0, asked + CASES - 10), second.out


def test_questions_without_a_reply_stop_the_requests(project: Project) -> None:
    def failing(asked: Asked) -> Answer:
        return answer(asked) if asked.number <= 3 else status(503, "no capacity")

    with serving(failing) as api:
        profile(project, api.url, "concurrency = 1\nattempts = 1\n")
        first = run(project)
        assert (first.code, len(api.asked)) == (1, 3 + 5), first.out
        told = " ".join(first.out.split())
        assert (
            "stopped after 5 consecutive questions without a reply; the last: 1 attempt: 503"
            in told
        )
        assert first.run["counts"]["lost"] == CASES - 3
        api.script = answer
        assert run(project).code == 0
        assert len(api.asked) == 8 + CASES - 3


def test_one_question_without_a_reply_does_not_stop_the_others(project: Project) -> None:
    def failing(asked: Asked) -> Answer:
        return status(500, "oops") if case_of(asked) == "T003" else answer(asked)

    with serving(failing) as api:
        profile(project, api.url, "attempts = 1\n")
        done = run(project)
        assert (done.code, len(api.asked)) == (1, CASES), done.out
    assert done.counts["failed"] == 1 and len(texts(done)) == CASES - 1
    assert "base: answers are missing: 1 attempt: 500 oops; " in " ".join(done.out.split())


def test_an_internal_error_is_shown_with_its_traceback_and_without_the_key(
    project: Project,
) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "from lek.providers.openai import OpenAIEndpoint\n"
        "request = OpenAIEndpoint._request\n"
        "def failing(self, question):\n"
        "    if 'T003' in question.user:\n"
        "        raise KeyError(f'oops {self._key}')\n"
        "    return request(self, question)\n"
        "OpenAIEndpoint._request = failing\n"
    )
    with serving(answer) as api:
        profile(project, api.url)
        done = run(project, "-l", "-vv")
    assert (done.code, done.counts["failed"]) == (1, 1), done.out
    assert "in failing" in done.out and "KeyError: 'oops [key]'" in done.out
    assert KEY not in done.out


def test_no_artefact_contains_the_key(project: Project) -> None:
    def nosy(asked: Asked) -> Answer:
        replies = {
            2: status(500, f"the key {KEY} is at fault", headers={"X-Key": KEY}),
            3: ok(f"your key is {KEY}"),
            4: choice({"content": "Yes.", "reasoning": KEY}, f"because of {KEY}"),
            5: status(400, f"{KEY} is too long"),
            6: choice({"content": None, "refusal": f"not with {KEY}"}),
        }
        reply = replies.get(asked.number) or answer(asked)
        if isinstance(reply.openai, dict) and reply.status == 200:
            reply.openai |= {"model": KEY, "system_fingerprint": KEY}
        return reply

    loud = ["-vv", "-l", "--log-level=DEBUG", "-rA", "--html=r.html", "--junitxml=r.xml"]
    with serving(nosy) as api:
        profile(project, api.url)
        env = {"SERVED_KEY": KEY, "OPENAI_LOG": "debug"}
        done = project.evaluate("evals", *loud, env=env, process=True)
        assert done.code == 0 and len(api.asked) == CASES + 1, done.out
    files = [f for f in project.path.rglob("*") if f.is_file()]
    assert {"store.sqlite3", "run.json", "verdicts.jsonl", "r.html", "r.xml"} <= {
        f.name for f in files
    }
    contents = [done.out, *(f.read_text(errors="replace") for f in files)]
    contents.append(texts_of((project.path / "r.html").read_text()))
    assert not [text for text in contents if KEY in text or KEY[3:15] in text]
    assert sum("[key]" in (text or "") for text in texts(done).values()) == 2


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_continues(project: Project, end: signal.Signals) -> None:
    release = Event()

    def stalling(asked: Asked) -> Answer:
        if asked.number > 10:
            release.wait(PATIENCE)
        return answer(asked)

    def stored() -> int:
        with closing(store(project)) as db:
            return int(db.execute("SELECT count(*) FROM responses").fetchone()[0])

    with serving(stalling) as api:
        profile(project, api.url, "concurrency = 2\n")
        session = subprocess.Popen(
            [sys.executable, "-m", "pytest", "evals"],
            cwd=project.path,
            env=clean_environment() | {"SERVED_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # a parent may ignore the signal, as shells do for commands in the background
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while len(api.asked) < 12 or stored() < 10:
            time.sleep(0.01)
        session.send_signal(end)
        output = session.communicate(timeout=PATIENCE)[0]
        release.set()
        if end == signal.SIGINT:
            assert session.returncode == 2, output
            assert "finished responses and votes are stored; repeat the command" in output
        assert (len(api.asked), stored()) == (12, 10)
        done = run(project)
        assert (done.code, len(api.asked)) == (0, 12 + CASES - 10), done.out


def test_an_interrupt_of_the_controller_stops_the_workers(project: Project) -> None:
    """Only the controller gets the signal, as from a process manager."""
    release = Event()

    def waiting(asked: Asked) -> Answer:
        release.wait(PATIENCE)
        return answer(asked)

    with serving(waiting) as api:
        profile(project, api.url, "concurrency = 4\n")
        code, output = interrupted(
            project, {"SERVED_KEY": KEY}, lambda: len(api.asked) >= 4, release
        )
        assert code == 2, output
        assert len(api.asked) == 4


def test_a_dry_run_counts_the_missing_answers_and_their_cost(project: Project) -> None:
    with serving(answer) as api:
        profile(project, api.url, "input_price = 1.0\noutput_price = 2000.0\n", more=CAREFUL)
        dry = run(project, "--lek-dry-run", "-n2")
        assert (dry.code, len(api.asked), len(api.probes), dry.runs) == (0, 0, 0, [])
        assert re.search(rf"base +{CASES} +{CASES} +0\ncareful +{CASES} +{CASES} +0\n", dry.out)
        told = " ".join(dry.out.split())
        line = "base, a-model: 24 requests, about 0 prompt tokens, at most 768 reply tokens: at "
        assert f"{line}most 1.54 USD" in told, dry.out
        assert run(project, "-k", "base").code == 0
        again = run(project, "--lek-dry-run", key="")
        assert "base, a-model" not in again.out and "careful, a-model: 24 requests" in again.out
        assert "the environment has no SERVED_KEY" in " ".join(again.out.split())
        assert run(project).code == 0
        assert "no requests are needed" in run(project, "--lek-dry-run", key="").out


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_same_server_is_asked_under_a_system_message_and_the_kernel(
    project: Project, workers: str
) -> None:
    under = CAREFUL + '[[subjects]]\nname = "kernel"\nfrom = "careful"\nkernel = true\n'
    with serving(answer) as api:
        profile(project, api.url, more=under, subject='system = "Be kind."')
        done = run(project, workers)
        assert (done.code, len(api.asked), len(api.probes)) == (0, 3 * CASES, 3), done.out
    kernel = load_kernel(ROOT / "kernel")
    described = {s["name"]: s for s in done.run["subjects"]}
    assert described["kernel"]["kernel"] == kernel.digest and "kernel" not in described["base"]
    chats = [a.body["messages"] for a in api.asked]
    systems = [c[0]["content"] for c in chats if len(c) == 2]
    assert systems.count("Be kind.") == systems.count("Answer briefly.") == CASES
    alone = [c[0]["content"] for c in chats if len(c) == 1]
    assert len(alone) == CASES and all(kernel.text.strip() in text for text in alone)
    assert texts(done, "careful")["T001"] != texts(done)["T001"]


def test_sampling_is_sent_with_a_seed_for_each_case(project: Project) -> None:
    sampled = "temperature = 0.5\ntop_p = 0.9\nseed = 3\nenable_thinking = false\n"
    with serving(answer) as api:
        profile(project, api.url, decoding=sampled)
        assert run(project, "-k", "T003").code == 0
        assert run(project, "--lek-fresh").code == 0
    seeds = {case_of(a): a.body["seed"] for a in api.asked[1:]}
    assert len(set(seeds.values())) == CASES
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds.values())
    first = api.asked[0].body
    assert first["seed"] == seeds["T003"]  # whatever is selected
    assert (first["temperature"], first["top_p"]) == (0.5, 0.9)
    assert first["chat_template_kwargs"] == {"enable_thinking": False}
    assert "seed" in api.probes[0].body and "chat_template_kwargs" in api.probes[0].body


def test_what_decides_an_answer_is_in_its_key(project: Project) -> None:
    with serving(answer) as api:
        profile(project, api.url)
        assert run(project).code == 0
        for change in (
            {"settings": "rpm = 6000\nconcurrency = 2\ninput_price = 1.0\n"},
            {"decoding": "batch_size = 2\ntop_p = 0.5\n"},  # greedy
        ):
            profile(project, f"{api.url}", **change)
            assert run(project).code == 0
            assert len(api.asked) == CASES
        path = profile(project, api.url)
        path.write_text(path.read_text().replace(f"{api.url}/v1", f"{api.url.upper()}/v1/"))
        assert run(project).code == 0
        assert len(api.asked) == CASES
        path.write_text(path.read_text().replace("a-model", "b-model"))
        assert run(project).code == 0
        assert len(api.asked) == 2 * CASES
        path.write_text(path.read_text().replace("max_tokens = 32", "max_tokens = 33"))
        assert run(project).code == 0
        assert len(api.asked) == 3 * CASES


def test_a_judge_works_while_a_server_answers(project: Project) -> None:
    """The last answer waits for the first question to the judge."""
    judged = Event()

    def waiting(asked: Asked) -> Answer:
        if asked.number == CASES:
            judged.wait(PATIENCE)
        return answer(asked)

    def judging(asked: Asked) -> Answer:
        judged.set()
        return ok(sevens(asked))

    with serving(waiting) as api, serving(judging) as judge:
        table = f'[judges.openai]\nmodel = "a-judge"\nbase_url = "{judge.url}/v1"\n'
        path = profile(project, api.url, judge="openai")
        path.write_text(path.read_text().replace("[gates]", f"{table}[gates]"))
        done = run(project)
        assert (done.code, len(api.asked), len(judge.asked)) == (0, CASES, CASES), done.out
    assert done.run["cost"]["requests"] == done.run["answering"]["requests"] == CASES + 1
    assert "judging cost: 25 requests" in done.out and "answering cost: 25 requests" in done.out


def test_a_served_subject_never_imports_mlx(
    project: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    heavy = {'mlx', 'mlx_lm', 'transformers', 'tokenizers'} & set(sys.modules)\n"
        "    print(f'heavy: {sorted(heavy)}')\n"
    )
    with serving(answer) as api:
        profile(project, api.url)
        done = run(project, "-s")
        assert (done.code, len(api.asked)) == (0, CASES), done.out
    assert "heavy: []" in done.out


def test_a_model_in_this_process_beside_a_served_one_or_in_its_place(
    project: Project,
) -> None:
    tiny.gemma(project.path / "one", layers=2, hidden=64)
    with serving(answer) as api:
        here = '[[subjects]]\nname = "here"\nmodel = "../../one"\n'
        path = profile(project, api.url, more=here)
        both = run(project, "--lek-limit=4")
        assert (both.code, len(api.asked)) == (0, 4), both.out
        served, local = both.run["subjects"]
        assert "form" not in served and local["form"] == "float32, dequantised"
        replaced = run(project, "--lek-limit=4", "--lek-model=base=one", key="")
        assert (replaced.code, len(api.asked)) == (0, 4), replaced.out
        path.write_text(path.read_text().replace("[judges]", f"{CAREFUL}[judges]"))
        careful = run(project, "--lek-limit=4", "--lek-model=careful=one", "-k", "careful", key="")
        assert (careful.code, len(api.asked)) == (0, 4), careful.out
    assert replaced.run["subjects"][0]["fingerprint"] == local["fingerprint"]
    assert texts(replaced) == texts(both, "here")
    (subject,) = careful.run["subjects"]
    assert subject["recipe"] == {"model": "one", "prompt": "chat", "system": "Answer briefly."}
    assert subject["fingerprint"] == local["fingerprint"]


def lek(project: Project, *arguments: str, key: str = KEY) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "lek", *arguments],
        cwd=project.path,
        env=clean_environment() | {"SERVED_KEY": key},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_served_subject_cannot_be_built_but_can_teach(project: Project) -> None:
    (project.path / "prompts.jsonl").write_text(
        "".join(
            json.dumps({"id": f"T{i:03d}", "prompt": f"May I, T{i:03d}?"}) + "\n" for i in range(4)
        )
    )
    sandwich = ("sandwich", "--profile=small", "--prompts=prompts.jsonl", "--out=out.jsonl")
    with serving(answer) as api:
        profile(project, api.url)
        code, _, err = lek(project, "build", "base", "--profile=small")
        assert (code, err.count("\n")) == (4, 1)
        assert f"base is served by {api.url}/v1; nothing to build" in err
        code, _, err = lek(project, "build", "--profile=small")
        assert (code, err.count("\n")) == (4, 1) and "nothing to build" in err
        code, _, err = lek(project, *sandwich, key="")
        assert (code, err.count("\n")) == (4, 1) and "no SERVED_KEY; set it" in err
        code, out, err = lek(project, *sandwich)
        assert code == 0, err
        assert "out.jsonl: 4 chats from 4 prompts" in out and len(api.asked) == 4
    assert all("axioms" in a.user for a in api.asked)
    rows = [json.loads(line) for line in (project.path / "out.jsonl").open()]
    assert rows[0]["messages"][1]["content"] == "The answer to T000 is that it depends."


MODEL = '[[subjects]]\nname = "lek"\nfrom = "base"\n'
ERRORS = {
    "two kinds": ({"subject": 'model = "x"'}, "subjects[0]: has model and openai; give one of"),
    "plain prompts": (
        {"subject": 'prompt = "plain"'},
        "subjects[0].prompt = 'plain': a served model is asked through chat completions; delete",
    ),
    "weights": (
        {"subject": "dequantize = true"},
        "subjects[0].dequantize: only allowed in a subject with 'model' or 'from'",
    ),
    "a setting of judges": (
        {"settings": "votes = 3"}, "subjects[0].openai.votes: unknown key; expected one of model,"
    ),
    "misspelt": ({"settings": "rmp = 3"}, "openai.rmp: unknown key, did you mean 'rpm'?"),
    "out of range": ({"settings": "concurrency = 0"}, "subjects[0].openai.concurrency = 0: inp"),
    "lora": (
        {"more": MODEL + '[[subjects.lora]]\ndata = "x"\n'},
        "subjects[1].lora: the weights of base are not available, since it is served; name a",
    ),
    "adapter": (
        {"more": MODEL + 'adapter = "x"\n'}, "subjects[1].adapter: the weights of base are not av"
    ),
    "abliterate": (
        {"more": MODEL + '[subjects.abliterate]\nharmful = "x"\nharmless = "y"\n'},
        "subjects[1].abliterate: the weights of base are not available",
    ),
    "nothing new": (
        {"more": MODEL}, "subjects[1]: the same as base; add one of system and kernel"
    ),
    "plain, derived": (
        {"more": MODEL + 'prompt = "plain"\nkernel = true\n'}, "subjects[1].kernel: needs prompt"
    ),
    "recorded verdicts": (
        {"judge": "recorded"}, "judges.default = 'recorded': recorded verdicts need data.source"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", ERRORS)
def test_a_bad_profile_is_one_line(project: Project, fault: str) -> None:
    changes, error = ERRORS[fault]
    profile(project, "http://127.0.0.1:9", **changes)
    done = run(project)
    assert done.code == 4, done.out
    assert done.error.startswith("evals/profiles/small.toml: ") and error in done.error


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('base_url = "http://h/v1"\n', "", "subjects[0].openai.base_url: missing; add it"),
        ("http://h/v1", "http://h/v1?key=s3cr3t", "must contain no key or query"),
        ('key = "SERVED_KEY"', 'key = "s3cr3t-key"', "must be the name of an environment var"),
        ("a-model", " a-model", "must be the name of a model, without spaces before or after it"),
    ],
)
def test_a_bad_address_is_one_line_without_the_key(
    project: Project, old: str, new: str, error: str
) -> None:
    path = profile(project, "http://h")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    done = run(project)
    assert done.code == 4
    assert error in done.error and "s3cr3t" not in done.out


SANDBOX = """
baseline = "here"
[data]
source = "path"
dir = "lek:sandbox"
benchmarks = ["gsm8k", "truthfulqa", "do_not_answer", "toxigen"]
[decoding]
max_tokens = 64
[[subjects]]
name = "here"
model = "lek:sandbox/base"
[[subjects]]
name = "there"
[subjects.openai]
base_url = "{url}"
model = "{model}"
concurrency = 8
[judges]
default = "reference"
gsm8k = "exact"
[gates]
rules = []
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server of the sandbox's model, whose weights are float32."""
    with mlx_server(ROOT / "sandbox" / "base", tmp_path_factory.mktemp("server") / "log") as url:
        yield url


def test_mlx_lm_server_gives_the_same_answers_as_the_model_in_this_process(
    project: Project, server: str
) -> None:
    text = SANDBOX.format(url=server, model=ROOT / "sandbox" / "base")
    (project.path / "evals" / "profiles" / "small.toml").write_text(text)
    done = project.evaluate("evals", "--lek-limit=20", process=True)
    assert done.code == 0, done.out
    here, there = texts(done, "here"), texts(done, "there")
    assert len(here) == 80 and here == there
    responses = {(r["subject"], r["case"]): r for r in (v["response"] for v in done.verdicts)}
    for case in here:
        one, other = responses["here", case], responses["there", case]
        assert (one["finish"], one["prompt_tokens"]) == (other["finish"], other["prompt_tokens"])
    scores = {
        (m["benchmark"], m["measure"], m["subject"]): (m["value"], m["n"])
        for m in done.run["metrics"]
    }
    assert all(scores[b, m, "here"] == scores[b, m, "there"] for b, m, _ in scores)
    described = done.run["subjects"][1]["server"]
    assert described["model"] == "base"
    assert [set(r) for r in described["reported"]] == [{"model", "system_fingerprint"}]
    assert str(ROOT) not in json.dumps(done.run)
