"""`lek calibrate` with a judge behind an API."""

import json
import subprocess
import sys
from pathlib import Path

from support.endpoint import Api, Asked, ok, serving, sevens, status
from support.project import PATIENCE, ROOT, clean_environment

DATA = ROOT / "sandbox" / "recorded"
PROFILE = """
[data]
source = "path"
[[subjects]]
name = "base"
model = "nowhere/at-all"
[judges]
default = "openai"
[judges.openai]
model = "a-judge"
base_url = "{url}/v1"
key = "JUDGE_KEY"
concurrency = 2
[gates]
"""


def calibrate(directory: Path, api: Api, *arguments: str) -> subprocess.CompletedProcess[str]:
    (directory / "p.toml").write_text(PROFILE.format(url=api.url))
    return subprocess.run(
        [sys.executable, "-m", "lek", "calibrate", "--judge=openai", "--profile=p.toml",
         f"--data={DATA}", *arguments],
        cwd=directory,
        env=clean_environment() | {"JUDGE_KEY": "a-key-that-is-secret"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )  # fmt: skip


def test_each_answer_with_a_verdict_is_judged_once(tmp_path: Path) -> None:
    with serving() as api:
        done = calibrate(tmp_path, api, "--json=c.json", "--html=c.html")
        assert done.returncode == 0, done.stderr
        first = len(api.asked)
        assert first > 100
        again = calibrate(tmp_path, api)
        assert (again.returncode, len(api.asked), len(api.probes)) == (0, first, 1)
    assert "judging cost: 0 requests" in again.stdout
    assert f"judging cost: {first + 1} requests" in done.stdout
    result = json.loads((tmp_path / "c.json").read_text())
    assert {m["measure"] for m in result["measures"]} >= {"accuracy", "truthfulness", "safety"}
    safety = next(m for m in result["measures"] if m["measure"] == "safety")
    assert (
        safety["rho"]["value"] is None and safety["rho"]["why"]
    )  # it gave all answers the same score
    assert all(mean["judged"] == 7 for mean in safety["means"])
    assert result["protocol"]["truthfulqa"]["model"] == "a-judge"
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"a-key-that-is-secret" not in file.read_bytes()


def test_calibration_resumes_after_the_api_refused(tmp_path: Path) -> None:
    def refusing(asked: Asked) -> object:
        return ok(sevens(asked)) if asked.number <= 9 else status(403, "no")

    with serving(refusing) as api:  # type: ignore[arg-type]
        stopped = calibrate(tmp_path, api)
        assert stopped.returncode == 1
        assert stopped.stderr.count("openai judge: JUDGE_KEY: refused (403") == 1
        assert "incomplete" in stopped.stdout
        api.script = lambda asked: ok(sevens(asked))
        before = len(api.asked)
        resumed = calibrate(tmp_path, api)
        assert resumed.returncode == 0
        total = len(api.asked) - before + 9
        bounded = calibrate(tmp_path, api, "--max-judge-calls=0")
        assert bounded.returncode == 0 and len(api.asked) == before + total - 9


def test_a_refused_probe_is_a_one_line_error(tmp_path: Path) -> None:
    with serving(probe=status(401, "bad key")) as api:
        done = calibrate(tmp_path, api)
        assert (done.returncode, len(api.probes), len(api.asked)) == (4, 1, 0)
    told = "p.toml: judges.openai: JUDGE_KEY: refused (401 bad key); check the key"
    assert done.stderr.splitlines()[-1] == f"ERROR: {told}"


def test_unwritable_output_is_a_one_line_error(tmp_path: Path) -> None:
    with serving() as api:
        done = calibrate(tmp_path, api, "--json=nowhere/c.json")
    assert done.returncode == 4
    assert "ERROR: nowhere/c.json: cannot be written: No such file or directory" in done.stderr
