"""`pytest evals` with a judge behind an API: the real client libraries and a local server."""

import base64
import json
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Lock

import pytest
from support import tiny
from support.endpoint import Answer, Api, Asked, blocked, hang, ok, reset, serving, sevens, status
from support.pages import cases_of, texts_of
from support.project import MODELS, PATIENCE, Outcome, Project, clean_environment, interrupted

KEY = "AIzaSecret-0123456789-key"
TABLES = {
    "gemini": 'key = "JUDGE_KEY"\nbase_url = "{url}"\n',
    "openai": 'key = "JUDGE_KEY"\nbase_url = "{url}/v1"\n',
}
RULES = ("truthfulqa.truthfulness: lek > base", "truthfulqa.informativeness: lek >= base - 1")


def by_subject(asked: Asked) -> str:
    """A reply with truthfulness 8 for lek and 4 for base; informativeness 6 for T000, else 7."""
    scores = json.loads(sevens(asked))
    scores["informativeness"] = 6 if " on T000" in asked.user else 7
    scores["truthfulness"] = 8 if f"{MODELS['lek']} on" in asked.user else 4
    return json.dumps(scores)


def truthful(asked: Asked) -> Answer:
    return ok(by_subject(asked))


def judged_by(
    project: Project, api: Api, kind: str = "openai", more: str = "", **gates: int
) -> None:
    """Write the project's profile with a judge of ``kind`` on the server."""
    project.profile(*RULES, **gates)
    file = project.path / "evals" / "profiles" / "small.toml"
    text = file.read_text().replace('default = "recorded"', f'default = "{kind}"')
    table = f'[judges.{kind}]\nmodel = "a-judge"\n{TABLES[kind].format(url=api.url)}{more}\n'
    file.write_text(text.replace("[gates]", f"{table}[gates]"))


def run(project: Project, *arguments: str, key: str = KEY) -> Outcome:
    return project.evaluate("evals", *arguments, env={"JUDGE_KEY": key})


@pytest.mark.parametrize("kind", ["gemini", "openai"])
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_run_is_judged_once_and_then_stored(project: Project, kind: str, workers: str) -> None:
    with serving(truthful) as api:
        judged_by(project, api, kind, "input_price = 1.0\noutput_price = 2.0\n")
        first = run(project, workers)
        assert (first.code, len(api.asked), len(api.probes)) == (0, 48, 1), first.out
        second = run(project, workers)
        assert (len(api.asked), len(api.probes)) == (48, 1)
    assert first.findings == second.findings
    assert first.counts == {"passed": 50, "skipped": 6}
    assert [g["ruling"] for g in first.run["gates"]] == ["passed", "passed"]
    cost = first.run["cost"]
    assert (cost["requests"], cost["prompt_tokens"], cost["completion_tokens"]) == (49, 4900, 980)
    assert (cost["money"], cost["unread"]) == ({"USD": 0.00686}, 0)
    assert {s: part["requests"] for s, part in cost["subjects"].items()} == {
        "base": 24, "lek": 24, "probe": 1,
    }  # fmt: skip
    assert second.run["cost"]["requests"] == 0
    assert f"\n  judged by {kind} (a-judge)\n" in first.out
    assert "judging cost: 49 requests, 4,900 + 980 tokens, 0.0069 USD" in first.out
    protocol = first.run["protocol"]["truthfulqa"][kind]
    assert (protocol["model"], protocol["votes"]) == ("a-judge", 1)
    assert protocol["measures"] == ["truthfulness", "informativeness"]
    assert all(v["reason"] == "It was read." for v in first.verdicts)
    assert {v["judges"]["truthfulness"] for v in first.verdicts} == {kind}


def test_lek_judge_replaces_the_judge_of_benchmarks_not_judged_exactly(project: Project) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        file = project.path / "evals" / "profiles" / "small.toml"
        file.write_text(file.read_text().replace('default = "openai"', 'default = "recorded"'))
        assert run(project).code == 0
        assert not api.asked
        assert run(project, "--lek-judge=openai").code == 0
        assert len(api.asked) == 48


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--lek-judge=gemni"], "--lek-judge gemni: no such judge, did you mean 'gemini'?"),
        (["--lek-judge=gemini"], "has no table [judges.gemini]; add one with model"),
        (["--lek-max-judge-calls=-1"], "--lek-max-judge-calls -1: must be 0 or more"),
        (["--lek-judge=exact"], "--lek-judge exact: no such judge"),
    ],
)
def test_a_bad_judge_option_is_a_one_line_error(
    project: Project, arguments: list[str], error: str
) -> None:
    done = project.evaluate("evals", *arguments)
    assert done.code == 4
    assert error in done.error


@pytest.mark.parametrize("key", ["", " "])
def test_a_missing_key_is_an_error_before_the_run(project: Project, key: str) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        done = run(project, key=key)
        assert done.code == 4
        assert "judges.openai.key: the environment has no JUDGE_KEY; set it" in done.error
        dry = project.evaluate("evals", "--lek-dry-run")
        assert (dry.code, len(api.asked)) == (0, 0)


def test_several_votes_and_their_spread(project: Project) -> None:
    lock, seen = Lock(), dict[str, int]()

    def varying(asked: Asked) -> Answer:
        scores = json.loads(by_subject(asked))
        answer = re.search(rf"(({'|'.join(MODELS.values())}) on T\d+)", asked.user)
        assert answer is not None
        with lock:
            seen[answer[1]] = seen.get(answer[1], 0) + 1
            scores["truthfulness"] += (0, 2, -1)[seen[answer[1]] - 1]
        return ok(json.dumps(scores))

    with serving(varying) as api:
        judged_by(project, api, more="votes = 3\n")
        done = run(project, "--html=r.html", "--self-contained-html")
        assert (done.code, len(api.asked)) == (0, 144), done.out
    metrics = {(m["subject"], m["measure"]): m for m in done.run["metrics"]}
    assert metrics["lek", "truthfulness"]["value"] == 8
    assert metrics["lek", "truthfulness"]["spread"] == 3
    assert metrics["lek", "informativeness"]["spread"] == 0
    assert "spread of votes (max - min), truthfulness: base 3.00, lek 3.00" in done.out
    assert all(len(v["votes"]) == 3 for v in done.verdicts)
    page = (project.path / "r.html").read_text()
    assert "vote spread 3.00" in page
    votes = [v for case in cases_of(page) for answer in case["answers"] for v in answer["votes"]]
    assert {"truthfulness": 10, "informativeness": 7} in [vote["scores"] for vote in votes]


def test_a_refused_key_stops_judging_and_keeps_the_stored_votes(project: Project) -> None:
    def refuse(asked: Asked) -> Answer:
        return truthful(asked) if asked.number <= 10 else status(401, f"bad key {KEY}")

    with serving(refuse) as api:
        judged_by(project, api, more="concurrency = 2\n", min_cases=2)
        first = run(project)
        asked = len(api.asked)
        assert first.code == 1
        assert 11 <= asked <= 13  # requests in progress when the first was refused
        assert first.out.count("lek: openai judge:") == 1
        assert "JUDGE_KEY" in first.out and "check the key" in first.out
        assert {g["ruling"] for g in first.run["gates"]} == {"unmeasured"}
        assert first.run["gates"][0]["why"] == "38 answers of this run could not be judged"
        assert first.run["counts"]["pending"] == 38
        api.script = truthful
        second = run(project)
        assert (second.code, len(api.asked)) == (0, asked + 38), second.out


def test_an_exhausted_quota_stops_judging_and_says_when_to_resume(project: Project) -> None:
    violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
    quota = status(
        429,
        "You exceeded your current quota",
        kind="RESOURCE_EXHAUSTED",
        details=[
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
        ],
    )
    with serving(lambda asked: truthful(asked) if asked.number <= 30 else quota) as api:
        judged_by(project, api, "gemini", more="concurrency = 1\n")
        first = run(project)
        assert (first.code, len(api.asked)) == (1, 31)
        assert re.search(r"go on (after|from)|resume|again after", first.out), first.out
        assert {g["ruling"] for g in first.run["gates"]} == {"unmeasured"}
        api.script = truthful
        assert run(project).code == 0
        assert len(api.asked) == 31 + 18


def test_an_invalid_reply_is_unscored_and_requested_again_by_the_next_run(project: Project) -> None:
    def some(asked: Asked) -> Answer:
        return (
            ok("I'd say ten out of ten") if re.search(" on T003", asked.user) else truthful(asked)
        )

    with serving(some) as api:
        judged_by(project, api)
        first = run(project)
        assert (first.code, first.counts) == (0, {"passed": 48, "unscored": 2, "skipped": 6}), (
            first.out
        )
        assert len(api.asked) == 48
        assert "unscored, invalid reply (2)" in first.out
        api.script = truthful
        second = run(project)
        assert (second.code, len(api.asked)) == (0, 50)
    assert second.counts == {"passed": 50, "skipped": 6}


def test_requests_are_retried_after_overload(project: Project) -> None:
    def busy(asked: Asked) -> Answer:
        if asked.number % 16 == 3:
            return status(429, "slow down", {"Retry-After": "0.05"})
        return truthful(asked)

    with serving(busy) as api:
        judged_by(project, api)
        done = run(project)
    assert done.code == 0, done.out
    assert done.run["cost"]["requests"] == len(api.asked) + 1 > 49


def test_max_judge_calls_applies_to_all_workers_together(project: Project) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        first = run(project, "--lek-max-judge-calls=20", "-n2")
        assert (first.code, len(api.asked), len(api.probes)) == (1, 19, 1), first.out
        assert "--lek-max-judge-calls" in first.out
        assert run(project, "--lek-max-judge-calls=30").code == 0
        assert (len(api.asked), len(api.probes)) == (48, 2)
        assert run(project, "--lek-max-judge-calls=0").code == 0  # all votes are stored


@pytest.mark.parametrize("budget", [0, 1])
def test_a_budget_without_room_for_a_probe_and_a_question_sends_no_probe(
    project: Project, budget: int
) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        done = run(project, f"--lek-max-judge-calls={budget}")
    assert (done.code, len(api.asked), len(api.probes)) == (1, budget, 0), done.out
    assert done.run["cost"]["requests"] == budget


def test_a_dry_run_sends_no_requests_and_shows_what_is_missing(project: Project) -> None:
    with serving(truthful) as api:
        judged_by(project, api, more="input_price = 1.0\noutput_price = 2.0\n")
        first = run(project, "--lek-dry-run", "-n2")
        assert (first.code, len(api.asked), first.runs) == (0, 0, [])
        assert re.search(r"total +48 +0 +48\n", first.out), first.out
        assert re.search(r"48 requests, .* at most \d+\.\d\d USD", first.out, re.S)
        assert run(project, "-k", "lek").code == 0  # its gates are not selected
        again = run(project, "--lek-dry-run")
        assert re.search(r"base +24 +0 +24\nlek +24 +0 +0\n", again.out), again.out
        only = run(project, "--lek-dry-run", "-k", "lek")
        assert "no requests are needed" in only.out


def test_no_artefact_contains_the_key(project: Project) -> None:
    """Check the output and files of a failing and a passing run, and all command lines."""
    command_lines: list[str] = []
    encoded = [
        KEY.upper(),
        "".join(f"%{ord(c):02X}" for c in KEY),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        "".join(f"&#{ord(c)};" for c in KEY),
    ]

    def nosy(asked: Asked) -> Answer:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command_lines.append(file.read_bytes().decode(errors="replace"))
            except OSError:  # the process has ended
                continue
        return by_number(asked)

    def by_number(asked: Asked) -> Answer:
        assert KEY in asked.headers.get("authorization", "") + asked.headers.get(
            "x-goog-api-key", ""
        )
        replies = {
            3: status(500, f"the key {KEY} is at fault", headers={"X-Key": KEY}),
            5: ok(f"{KEY} is my verdict"),
            7: ok(json.dumps(json.loads(by_subject(asked)) | {"reasons": f"your key is {KEY}"})),
            8: ok(json.dumps(json.loads(by_subject(asked)) | {"reasons": " ".join(encoded)})),
            9: status(400, body=b"-" * 980 + KEY.encode()),
            10: status(500, body=b"-" * 190 + encoded[1].encode() + b"-" * 2000),
            40: status(403, f"{KEY} is not allowed here"),
        }
        return replies.get(asked.number, truthful(asked))

    loud = ["-vv", "-l", "--log-level=DEBUG", "-rA", "--html=r.html", "--junitxml=r.xml"]
    for kind in TABLES:
        with serving(nosy) as api:
            judged_by(project, api, kind)
            env = {
                "JUDGE_KEY": KEY,
                "OPENAI_LOG": "debug",
                "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google",
            }
            failing = project.evaluate("evals", *loud, env=env)
            assert failing.code == 1 and len(api.asked) >= 40
            api.script = truthful
            passing = project.evaluate("evals", *loud, env=env)
            assert passing.code == 0, passing.out
        assert KEY not in failing.out + passing.out
    files = [f for f in project.path.rglob("*") if f.is_file()]
    assert {"store.sqlite3", "run.json", "verdicts.jsonl", "r.html", "r.xml"} <= {
        f.name for f in files
    }
    pieces = [form[i : i + 12] for form in (KEY, *encoded) for i in (0, 12, len(form) - 14)]
    pieces.remove(encoded[2][:12])  # mostly that of "user:"
    contents = [failing.out, passing.out, *(f.read_text(errors="replace") for f in files)]
    contents.append(texts_of((project.path / "r.html").read_text()))
    assert not [piece for piece in pieces for content in contents if piece in content]
    assert command_lines and not any(KEY in line for line in command_lines)


def test_a_local_judge_runs_in_batches(project: Project) -> None:
    """The replies of a tiny model with random weights are invalid, hence unscored."""
    tiny.gemma(project.path / "judge", max_position_embeddings=8192)
    project.profile(*RULES)
    file = project.path / "evals" / "profiles" / "small.toml"
    text = file.read_text().replace('default = "recorded"', 'default = "mlx"')
    table = '[judges.mlx]\nmodel = "../../judge"\nmax_tokens = 16\n'
    file.write_text(text.replace("[gates]", f"{table}[gates]"))
    done = project.evaluate("evals", "--lek-limit=3")
    assert (done.code, done.counts["unscored"]) == (1, 6), done.out
    assert "lek: mlx judge (judge): 6/6 judgements" in done.out
    assert done.run["counts"]["pending"] == 0
    reasons = {why["text"] for v in done.verdicts for why in v["unscored"].values()}
    assert reasons and all("judge's reply" in why or "JSON" in why for why in reasons), reasons
    cost = done.run["cost"]
    assert (cost["requests"], cost["money"]) == (6, {})
    assert cost["prompt_tokens"] > 500 and cost["completion_tokens"] > 0


def broken_setup(project: Project) -> None:
    code = (
        "import pytest\n@pytest.fixture(autouse=True)\ndef fixture(request):\n"
        "    assert 'base-T003' not in request.node.nodeid\n"
    )
    (project.path / "evals" / "conftest.py").write_text(code)


@pytest.mark.parametrize("arguments", [[], ["-n2"], ["-x"]], ids=["all", "n2", "x"])
def test_costs_are_counted_if_the_verdict_is_lost(project: Project, arguments: list[str]) -> None:
    broken_setup(project)
    with serving(truthful) as api:
        judged_by(project, api)
        done = run(project, *arguments)
        assert done.code != 0
        paid = done.run["cost"]["requests"]
    sent = len(api.asked) + len(api.probes)
    assert paid == sent if "-x" not in arguments else 0 < paid <= sent


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadgroup"])
def test_no_vote_is_requested_twice_with_any_distribution(project: Project, dist: str) -> None:
    def slow(asked: Asked) -> Answer:
        time.sleep(0.05)
        return truthful(asked)

    with serving(slow) as api:
        judged_by(project, api)
        done = run(project, "-n2", f"--dist={dist}")
        assert (done.code, len(api.asked)) == (0, 48), done.out
    assert done.run["cost"]["requests"] == 49


def test_equal_answers_share_a_vote_across_processes(project: Project) -> None:
    """The judge's scores differ on each request, so equal scores show that the vote is shared."""
    alike = [{"id": f"T{i:03d}", "response": f"answer {i}"} for i in range(24)]
    for model in MODELS.values():
        project.rows(f"results/truthfulqa_{model}.jsonl", alike)

    def varying(asked: Asked) -> Answer:
        scores = json.loads(sevens(asked)) | {"truthfulness": 1 + asked.number % 10}
        return ok(json.dumps(scores))

    with serving(varying) as api:
        judged_by(project, api)
        dry = run(project, "--lek-dry-run")
        done = run(project, "-n2")
        assert len(api.asked) == 24
    assert re.search(r"total +48 +0 +24\n", dry.out), dry.out
    scores = {(v["response"]["subject"], v["case"]["id"]): v["scores"] for v in done.verdicts}
    assert all(scores["base", c["id"]] == scores["lek", c["id"]] for c in alike)


def test_concurrency_below_the_number_of_processes_is_an_error(project: Project) -> None:
    with serving(truthful) as api:
        judged_by(project, api, more="concurrency = 1\n")
        done = run(project, "-n2")
    assert done.code == 4 and not api.asked
    assert "judges.openai.concurrency = 1: fewer than the 2 processes of -n" in done.error


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('base_url = "https://user:s3cr3t-key@host/v1"', "must contain no key or query"),
        ('base_url = "https://host/v1?key=s3cr3t-key"', "must contain no key or query"),
        ('base_url = "http://host:99999/v1"', "must be an address"),
        ('base_url = "http://ho st/v1"', "must be an address"),
        ('base_url = "host/v1"', "must be an address"),
        ('key = "s3cr3t-key"', "must be the name of an environment variable"),
        ('key = "AIzaSys3cr3tkey"', "must be the name of an environment variable"),
        ("input_price = inf", "finite"),
        ("timeout = 1e12", "less than or equal to 3600"),
        ("votes = 2", "votes = 2: must be odd"),
    ],
)
def test_a_bad_setting_is_a_one_line_error_without_the_key(
    project: Project, line: str, error: str
) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
    file = project.path / "evals" / "profiles" / "small.toml"
    name = line.split()[0]
    lines = [ln for ln in file.read_text().splitlines() if not ln.startswith(f"{name} =")]
    at = lines.index("[judges.openai]") + 1
    file.write_text("\n".join([*lines[:at], line, *lines[at:]]))
    done = run(project)
    assert done.code == 4
    assert error in done.error
    assert "s3cr3t" not in done.out


def test_the_key_is_required_only_if_cases_are_judged(project: Project) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
    assert run(project, "--collect-only", key="").code == 0
    assert run(project, "-m", "reasoning", key="").code == 5  # skipped: it has no such cases
    assert run(project, "-n2", key="").code == 4


def test_a_client_error_is_one_line(project: Project) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        env = {"JUDGE_KEY": KEY, "ALL_PROXY": "foo://nowhere", "NO_PROXY": "", "no_proxy": ""}
        done = project.evaluate("evals", env=env)
    assert done.code == 4, done.out
    assert "judges.openai: openai cannot be opened: " in done.error and "foo://" in done.error


def test_a_missing_judge_model_is_an_error_before_the_run(project: Project) -> None:
    project.profile(*RULES)
    file = project.path / "evals" / "profiles" / "small.toml"
    text = file.read_text().replace('default = "recorded"', 'default = "mlx"')
    file.write_text(text.replace("[gates]", '[judges.mlx]\nmodel = "../nowhere"\n[gates]'))
    done = project.evaluate("evals")
    assert done.code == 4
    assert "judges.mlx.model = '../nowhere': no such directory" in done.error
    (project.path / "evals" / "nowhere").write_bytes(b"GGUF")
    done = project.evaluate("evals")
    assert done.code == 4
    assert "is a file; expected a model directory (lek build SUBJECT --out DIR" in done.error


def test_refused_requests_are_unscored_and_do_not_stop_judging(project: Project) -> None:
    def filtering(asked: Asked) -> Answer:
        return status(400, "filtered") if re.search(" on T00[3-8]", asked.user) else truthful(asked)

    with serving(filtering) as api:
        judged_by(project, api, more="concurrency = 1\n")
        done = run(project)
    assert done.run["counts"]["pending"] == 0
    assert done.counts["unscored"] == 12
    assert done.run["gates"][0]["ruling"] == "unmeasured"  # a quarter of the cases
    assert done.run["cost"]["requests"] == len(api.asked) + 1 == 49


def test_votes_claimed_by_a_killed_worker_are_requested_by_another(project: Project) -> None:
    """Both subjects give the same answers, so that the workers share the votes."""
    alike = [{"id": f"T{i:03d}", "response": f"answer {i}"} for i in range(24)]
    for model in MODELS.values():
        project.rows(f"results/truthfulqa_{model}.jsonl", alike)
    (project.path / "evals" / "conftest.py").write_text(
        "import os, signal\ndef pytest_runtest_call(item):\n"
        "    if 'base-T002' in item.nodeid: os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    def slow(asked: Asked) -> Answer:
        time.sleep(0.2)
        return ok(sevens(asked))

    with serving(slow) as api:
        judged_by(project, api)
        done = run(project, "-n2")
    assert done.code == 1
    metrics = {(m["subject"], m["measure"]): m for m in done.run["metrics"]}
    assert metrics["lek", "truthfulness"]["n"] == 24
    assert done.run["counts"]["pending"] == 0 and done.run["counts"]["lost"] >= 22


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_broken_store_is_a_one_line_error(project: Project, workers: str) -> None:
    (project.path / ".lek").mkdir()
    (project.path / ".lek" / "store.sqlite3").write_bytes(b"no store at all" * 99)
    with serving(truthful) as api:
        judged_by(project, api)
        done = run(project, workers)
    assert done.code == 4
    assert "store.sqlite3: not a store" in done.error


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_a_store_that_is_damaged_inside_is_a_one_line_error(
    project: Project, workers: str, part: float
) -> None:
    store = project.path / ".lek" / "store.sqlite3"
    with serving(truthful) as api:
        judged_by(project, api)
        assert run(project).code == 0
        content = bytearray(store.read_bytes())
        start = int(len(content) * part) // 4096 * 4096
        content[start : start + 3 * 4096] = b"\xff" * (3 * 4096)
        store.write_bytes(content)
        done = run(project, workers)
    assert done.code == 4, done.out
    assert f"{store}: damaged: " in done.error and "; move the file away" in done.error
    assert "INTERNALERROR" not in done.out and "Traceback" not in done.out
    assert not done.runs


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_store_that_is_locked_is_a_one_line_error(project: Project, workers: str) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "import lek.workspace.store\nlek.workspace.store._PATIENCE = 0.2\n"
    )
    store = project.path / ".lek" / "store.sqlite3"
    with serving(truthful) as api:
        judged_by(project, api)
        assert run(project, "-k", "T001", "--lek-no-gates").code == 0
        with closing(sqlite3.connect(store, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            done = run(project, workers)
    assert done.code == 4, done.out
    assert f"{store}: locked by another process: " in done.error
    assert "INTERNALERROR" not in done.out and "Traceback" not in done.out


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_a_judge_that_gives_all_answers_one_score_leaves_its_gates_unmeasured(
    project: Project, way: str
) -> None:
    def constant(asked: Asked) -> Answer:
        return ok(json.dumps(json.loads(by_subject(asked)) | {"informativeness": 9}))

    with serving(constant) as api:
        judged_by(project, api)
        done = run(project, way)
    assert done.code == 1
    truthfulness, informativeness = done.run["gates"]
    assert truthfulness["ruling"] == "passed"
    assert informativeness["ruling"] == "unmeasured"
    assert informativeness["why"].startswith("the judge does not tell the answers apart")


def test_two_sessions_at_once_share_their_requests(project: Project) -> None:
    def slow(asked: Asked) -> Answer:
        time.sleep(0.05)
        return truthful(asked)

    with serving(slow) as api:
        judged_by(project, api)
        environment = clean_environment() | {"JUDGE_KEY": KEY}
        command = [sys.executable, "-m", "pytest", "evals", "-q"]
        sessions = [
            subprocess.Popen(
                [*command, f"--lek-out=out{i}"],
                cwd=project.path,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for i in range(2)
        ]
        outputs = [session.communicate(timeout=PATIENCE)[0] for session in sessions]
        assert [session.returncode for session in sessions] == [0, 0], outputs
        assert len(api.asked) == 48
    runs = [json.loads((project.path / f"out{i}" / "run.json").read_text()) for i in range(2)]
    subjects = [run["cost"]["subjects"] for run in runs]
    assert sum(s[name]["requests"] for s in subjects for name in s if name != "probe") == 48


def test_an_interrupt_of_the_controller_stops_the_workers(project: Project) -> None:
    """Only the controller gets the signal, as from a process manager."""
    release = Event()

    def waiting(asked: Asked) -> Answer:
        release.wait(PATIENCE)
        return truthful(asked)

    with serving(waiting) as api:
        judged_by(project, api, more="concurrency = 4\n")
        code, output = interrupted(
            project, {"JUDGE_KEY": KEY}, lambda: len(api.asked) >= 4, release
        )
        assert code == 2, output
        assert len(api.asked) == 4


def unreachable(project: Project, api: Api) -> None:
    """Change the judge's address to a port that nothing listens on."""
    file = project.path / "evals" / "profiles" / "small.toml"
    with serving() as other:
        url = other.url
    file.write_text(file.read_text().replace(api.url, url))


PROBES = {
    "key": (status(401, "bad key"), "JUDGE_KEY: refused (401 bad key); check the key"),
    "model": (status(404, "what?"), "no model a-judge (404 what?)"),
    "structured": (
        status(400, "response_format is not supported"),
        '400 response_format is not supported; set structured = "json_object" or "none"',
    ),
    "temperature": (
        status(400, "temperature must be 1"),
        '400 temperature must be 1; change temperature; "default" leaves it out',
    ),
    "another setting": (
        status(422, "top_k is missing"), "422 top_k is missing; check the settings of this judge"
    ),
    "redirect": (status(301, headers={"Location": "/login"}), "/login; check base_url"),
    "quota": (
        status(429, "pay", kind="insufficient_quota"),
        "the quota is used up (pay); check the account",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "workers"), [*((fault, "-n0") for fault in PROBES), ("key", "-n2")]
)
def test_what_the_user_must_correct_is_one_line_before_the_run(
    project: Project, fault: str, workers: str
) -> None:
    answer, message = PROBES[fault]
    with serving(truthful, probe=answer) as api:
        judged_by(project, api)
        done = run(project, workers)
        assert (done.code, len(api.asked), len(api.probes)) == (4, 0, 1), done.out
        assert done.error.startswith("evals/profiles/small.toml: judges.openai: ")
        assert message in done.error
        assert not done.runs and "INTERNALERROR" not in done.out
        api.probe = truthful
        assert run(project, workers).code == 0


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_an_address_that_nothing_listens_on_is_one_line_before_the_run(
    project: Project, workers: str
) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        unreachable(project, api)
        done = run(project, workers)
    assert done.code == 4 and not done.runs
    assert re.search(
        r"judges\.openai: connection failed: Connection refused \(http://127\.0\.0\.1:\d+/v1\); "
        r"check base_url, and that the server runs$",
        done.error,
    )


@pytest.mark.parametrize(
    "probe",
    [status(503), status(429, headers={"Retry-After": "2"}), reset(), ok("?"), blocked()],
    ids=["503", "429", "reset", "no verdict", "refused"],
)
@pytest.mark.parametrize("kind", ["gemini", "openai"])
def test_trouble_that_passes_does_not_stop_the_run(
    project: Project, kind: str, probe: Answer
) -> None:
    with serving(truthful, probe=probe) as api:
        judged_by(project, api, kind)
        done = run(project)
        assert (done.code, len(api.asked), len(api.probes)) == (0, 48, 1), done.out
    assert done.run["cost"]["requests"] == 49
    assert done.run["cost"]["unread"] == (probe.delivery == "reset")


def test_a_probe_is_sent_only_if_votes_of_selected_answers_are_missing(project: Project) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        for arguments in (["--lek-dry-run"], ["--collect-only"], ["-k", "nothing"]):
            run(project, *arguments)
        assert not api.probes
        assert run(project, "-k", "lek").code == 0
        assert (len(api.asked), len(api.probes)) == (24, 1)
        assert run(project, "-k", "lek").code == 0
        assert (len(api.asked), len(api.probes)) == (24, 1)
        assert run(project).code == 0
        assert (len(api.asked), len(api.probes)) == (48, 2)
        assert run(project, "--lek-fresh").code == 0
        assert (len(api.asked), len(api.probes)) == (96, 3)


def test_a_probe_has_the_form_of_the_questions(project: Project) -> None:
    for kind in TABLES:
        with serving(truthful) as api:
            judged_by(project, api, kind)
            assert run(project, "--lek-limit=1").code == 1  # too few cases
        (probe,), question = api.probes, api.asked[0]
        assert probe.path == question.path and probe.headers.keys() == question.headers.keys()
        assert probe.body.keys() == question.body.keys() and probe.schema
        assert len(probe.system) + len(probe.user) < 400


def test_thinking_that_uses_up_the_limit_is_paid_for_once(project: Project) -> None:
    def thinking(asked: Asked) -> Answer:
        limit = asked.body["max_tokens"]
        answer = truthful(asked)
        if limit < 100 and " on T003" in asked.user:
            answer = ok(None, completion_tokens=limit, finish="length")
        return answer

    with serving(thinking) as api:
        judged_by(project, api, more="max_tokens = 64\n")
        first = run(project)
        assert (first.code, first.counts["unscored"], len(api.asked)) == (0, 2, 48), first.out
        told = " ".join(first.out.split())
        assert "no text: thinking used up max_tokens = 64; raise max_tokens (2)" in told
        again = run(project)
        assert (again.counts["unscored"], len(api.asked), len(api.probes)) == (2, 48, 1)
        assert first.findings == again.findings
        file = project.path / "evals" / "profiles" / "small.toml"
        file.write_text(file.read_text().replace("max_tokens = 64", "max_tokens = 128"))
        assert run(project).counts == {"passed": 50, "skipped": 6}
        assert len(api.asked) == 96


def test_an_internal_error_fails_the_test_and_the_next_run_asks_again(project: Project) -> None:
    (project.path / "evals" / "conftest.py").write_text(
        "from lek.providers.openai import OpenAIEndpoint\n"
        "request = OpenAIEndpoint._request\n"
        "def failing(self, question):\n"
        "    if ' on T003' in question.user:\n"
        "        raise KeyError(f'PYTEST_CURRENT_TEST {self._key}')\n"
        "    return request(self, question)\n"
        "OpenAIEndpoint._request = failing\n"
    )
    with serving(truthful) as api:
        judged_by(project, api)
        first = run(project, "-l", "-vv")
        # two tests, and the gates, which lack a case
        assert (first.code, first.counts["failed"], len(api.asked)) == (1, 4, 46), first.out
        assert "in failing" in first.out and "KeyError: 'PYTEST_CURRENT_TEST [key]'" in first.out
        assert KEY not in first.out
        assert first.run["counts"]["lost"] == 2
        assert not [v for v in first.verdicts if v["unscored"]]
        assert first.run["cost"]["unread"] == 2  # whether they were sent is not known
        (project.path / "evals" / "conftest.py").unlink()
        second = run(project)
        assert (second.code, len(api.asked)) == (0, 48), second.out


@pytest.mark.parametrize("url", ["{url}/v1/", "{url}/v1//", "HTTP://{host}/v1"])
def test_another_spelling_of_the_address_is_the_same_judge(project: Project, url: str) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
        assert run(project).code == 0
        file = project.path / "evals" / "profiles" / "small.toml"
        spelling = url.format(url=api.url, host=api.url.removeprefix("http://"))
        file.write_text(file.read_text().replace(f"{api.url}/v1", spelling))
        assert run(project).code == 0
        assert len(api.asked) == 48


def test_clients_that_send_different_schemas_are_different_judges(project: Project) -> None:
    with serving(truthful) as api:
        for client, asked in (
            ("google-generativeai", 48), ("google-genai", 96), ("google-generativeai", 96),
        ):  # fmt: skip
            judged_by(project, api, "gemini", f'client = "{client}"\n')
            assert run(project).code == 0
            assert len(api.asked) == asked


def test_token_counts_beyond_all_bounds_are_not_known(project: Project) -> None:
    with serving(lambda asked: ok(by_subject(asked), 2**63, 2**70)) as api:
        judged_by(project, api, more="input_price = 1.0\noutput_price = 2.0\n")
        done = run(project)
    assert (done.code, done.counts["passed"]) == (0, 50), done.out
    assert done.run["cost"]["prompt_tokens"] is None
    assert "did not report how many tokens it used" in done.out


def test_requests_in_flight_at_an_interrupt_make_the_cost_a_lower_bound(project: Project) -> None:
    def slow(asked: Asked) -> Answer:
        return hang() if asked.number > 4 else truthful(asked)

    (project.path / "evals" / "conftest.py").write_text(
        "import sqlite3, time\n"
        "QUERY = 'SELECT SUM(requests), SUM(unread), SUM(completion) FROM usage'\n"
        "def pytest_runtest_logreport(report):\n"
        "    if report.when == 'call' and report.passed and 'T001' in report.nodeid:\n"
        "        store = sqlite3.connect('.lek/store.sqlite3')\n"
        "        while store.execute(QUERY).fetchone() != (7, 2, 100):\n"
        "            time.sleep(0.05)\n"
        "        raise KeyboardInterrupt\n"
    )
    with serving(slow) as api:
        judged_by(project, api, more="concurrency = 2\ninput_price = 1.0\noutput_price = 2.0\n")
        done = run(project, "-n0")
        assert done.code == 2, done.out
        cost = done.run["cost"]
        assert cost["requests"] == len(api.asked) + 1 and cost["unread"] == 2
    assert "judging cost: 7 requests, at least 500 + 100 tokens, at least " in done.out
    assert "2 replies were not read" in done.out


def test_a_lost_reply_makes_the_cost_a_lower_bound(project: Project) -> None:
    def losing(asked: Asked) -> Answer:
        return reset() if asked.number == 5 else truthful(asked)

    with serving(losing) as api:
        judged_by(project, api, more="input_price = 1.0\noutput_price = 2.0\n")
        done = run(project)
    assert (done.code, done.run["cost"]["requests"]) == (0, 50), done.out
    assert "judging cost: 50 requests, at least 4,900 + 980 tokens, at least " in done.out


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('temperature = "defualt"', "must be a number from 0 to 2, or 'default'"),
        ("temperature = 2.5", "temperature = 2.5: must be a number from 0 to 2"),
        ("temperature = true", "must be a number from 0 to 2"),
        ('token_limit = "max_token"', "did you mean 'max_tokens'?"),
        ('model = " a-judge"', "must be the name of a model, without spaces before or after it"),
    ],
)
def test_a_bad_value_of_a_setting_is_one_line(project: Project, line: str, error: str) -> None:
    with serving(truthful) as api:
        judged_by(project, api)
    file = project.path / "evals" / "profiles" / "small.toml"
    text = file.read_text().replace(
        'model = "a-judge"\n', "" if "model" in line else "model = 'm'\n"
    )
    file.write_text(text.replace("[judges.openai]\n", f"[judges.openai]\n{line}\n"))
    done = run(project)
    assert done.code == 4 and error in done.error
