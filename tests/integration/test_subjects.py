"""`pytest evals` with models: building, generating, storing, and continuing after a kill."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from support import tiny
from support.endpoint import Answer, Asked, ok, serving, sevens
from support.project import ROOT, Outcome, Project, clean_environment, run_code

from lek import load_run
from lek.data.kernel import load_kernel
from lek.records import Case

PROFILE = """
[data]
source = "path"
dir = "../../data"
benchmarks = ["truthfulqa", "toxigen"]
[decoding]
max_tokens = {max_tokens}
batch_size = 2
{decoding}
[[subjects]]
name = "base"
model = "../../one"
[[subjects]]
name = "lek"
model = "../../two"
[judges]
default = "none"
[gates]
rules = ["truthfulqa.coherent: lek >= base - 99%"]
"""
LOG_LOADED_MODELS = """
import os, pathlib
import lek.generation.mlx as mlx

original_init = mlx.MlxBackend.__init__
log = pathlib.Path(__file__).parent.parent / "loaded.txt"

def init(self, loaded, directory):
    with log.open("a") as file:
        file.write(f"{directory.name} {os.getpid()}\\n")
    original_init(self, loaded, directory)

mlx.MlxBackend.__init__ = init
"""


@pytest.fixture
def models(project: Project) -> Project:
    """A project with two models with random weights, and 24 + 6 cases."""
    for seed, name in enumerate(("one", "two")):
        tiny.gemma(project.path / name, seed=seed, layers=2, hidden=64)
    project.rows("toxigen.jsonl", ({"id": f"X{i}", "prompt": f"people like {i}"} for i in range(6)))
    profile(project)
    return project


def profile(project: Project, max_tokens: int = 8, decoding: str = "") -> None:
    text = PROFILE.format(max_tokens=max_tokens, decoding=decoding)
    (project.path / "evals" / "profiles" / "small.toml").write_text(text)


def answers(done: Outcome) -> dict[tuple[str, str], str]:
    return {
        (v["response"]["subject"], v["case"]["id"]): v["response"]["text"] for v in done.verdicts
    }


def stored(project: Project) -> int:
    path = project.path / ".lek" / "store.sqlite3"
    if not path.exists():
        return 0
    try:
        return int(sqlite3.connect(path).execute("SELECT count(*) FROM responses").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # killed before the table was created


def test_models_answer_and_are_described_in_the_run(models: Project) -> None:
    done = models.evaluate("evals")
    assert done.code == 0, done.out
    assert len(answers(done)) == 2 * 30
    assert len({t for (s, _), t in answers(done).items() if s == "lek"}) > 1
    subjects = {s["name"]: s for s in done.run["subjects"]}
    assert subjects["base"]["recipe"] == {"model": "../../one", "prompt": "chat"}
    assert subjects["base"]["fingerprint"] != subjects["lek"]["fingerprint"]
    assert {s["form"] for s in subjects.values()} == {"float32, dequantised"}
    assert done.run["decoding"]["max_tokens"] == 8
    response = done.verdicts[0]["response"]
    assert response["prompt_tokens"] > 0
    assert 0 < response["completion_tokens"] <= 8
    assert str(models.path) not in json.dumps(done.run)
    case = done.verdicts[0]["case"]
    prompt = load_run(done.runs[-1]).prompts["base"][case["benchmark"]].text(Case(**case))
    assert prompt is not None and case["prompt"] in prompt and len(prompt) > len(case["prompt"])
    lines = [x for x in done.out.splitlines() if x.startswith("lek: ") and "answers" in x]
    assert [x.split(",")[0] for x in lines] == [
        f"lek: {s} {b}: {n}/{n} answers"
        for s in ("base", "lek")
        for b, n in (("toxigen", 6), ("truthfulqa", 24))
    ]


def test_a_second_run_loads_no_model_and_has_the_same_answers(
    models: Project, add_conftest: Callable[[str], None]
) -> None:
    first = models.evaluate("evals")
    add_conftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    heavy = {'mlx', 'mlx_lm', 'transformers', 'tokenizers'} & set(sys.modules)\n"
        "    print(f'heavy: {sorted(heavy)}')\n"
    )
    second = models.evaluate("evals", "-s")
    assert "heavy: []" in second.out
    assert answers(first) == answers(second)
    assert first.findings == second.findings
    assert stored(models) == 60


def test_only_selected_answers_are_generated(models: Project) -> None:
    assert models.evaluate("evals", "-m", "kindness", "-k", "lek").code == 0
    assert stored(models) == 6
    assert models.evaluate("evals", "-k", "base-T003 or base-X1").code in (0, 1)
    assert stored(models) == 8
    models.evaluate("evals", "--lek-limit=2")
    assert stored(models) == 8 + 8 - 3  # lek-X0, lek-X1 and base-X1 were stored


def test_lek_fresh_generates_again_and_keeps_stored_answers(models: Project) -> None:
    first = models.evaluate("evals", "-k", "X")
    again = models.evaluate("evals", "-k", "X", "--lek-fresh", "-n2")
    assert stored(models) == 24
    assert answers(first) == answers(again)


def test_changed_weights_or_decoding_are_not_read_from_the_store(models: Project) -> None:
    first = models.evaluate("evals", "-k", "lek-X")
    tiny.gemma(models.path / "two", seed=7, layers=2, hidden=64)
    second = models.evaluate("evals", "-k", "lek-X")
    assert answers(first) != answers(second)
    profile(models, max_tokens=9)
    third = models.evaluate("evals", "-k", "lek-X")
    assert {v["response"]["completion_tokens"] for v in third.verdicts} == {9}


def test_one_process_loads_each_model_once(
    models: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(LOG_LOADED_MODELS)
    assert models.evaluate("evals", "-n0").code == 0
    loads = (models.path / "loaded.txt").read_text().splitlines()
    assert [line.split()[0] for line in loads] == ["one", "two"]


def test_each_worker_begins_with_another_model(
    models: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(LOG_LOADED_MODELS)
    assert models.evaluate("evals", "-n2").code == 0
    loads = [line.split() for line in (models.path / "loaded.txt").read_text().splitlines()]
    first = {pid: name for name, pid in reversed(loads)}
    assert sorted(first.values()) == ["one", "two"]
    assert len(loads) <= 4  # the faster worker may help with the cases of the other model


@pytest.mark.parametrize("dist", ["loadgroup", "load"])
def test_workers_share_the_cases_of_one_model(
    models: Project, add_conftest: Callable[[str], None], dist: str
) -> None:
    alone = models.evaluate("evals", "-k", "base", process=True)
    add_conftest(LOG_LOADED_MODELS)
    shared = models.evaluate("evals", "-k", "base", "-n2", "--dist", dist, "--lek-fresh")
    loads = [line.split() for line in (models.path / "loaded.txt").read_text().splitlines()]
    assert [name for name, _ in loads] == ["one", "one"]
    assert len({pid for _, pid in loads}) == 2
    assert answers(shared) == answers(alone)
    for what, n in (("truthfulqa", 12), ("toxigen", 3)):
        for part in ("", " part 2"):
            assert f"lek: base {what}{part}: {n}/{n} answers" in shared.out


def test_sampled_answers_do_not_depend_on_selection_or_workers(models: Project) -> None:
    profile(models, decoding="temperature = 1.0")
    complete = answers(models.evaluate("evals", process=True))  # closes the store at its end
    assert len({t for (s, _), t in complete.items() if s == "base"}) == 30
    for way in (["-n2"], ["-k", "X"], ["--lek-limit=3", "-n2", "--dist", "load"]):
        (models.path / ".lek" / "store.sqlite3").unlink()
        subset = answers(models.evaluate("evals", *way, process=True))
        assert subset
        assert subset == {k: complete[k] for k in subset}


def test_a_missing_model_is_one_line_at_the_start(models: Project) -> None:
    (models.path / "two" / "config.json").unlink()
    done = models.evaluate("evals", "-m", "kindness")
    assert done.code == 4
    assert "two/config.json: cannot be read" in done.error
    assert "Traceback" not in done.out


def test_an_unexpected_error_is_shown_in_full_once(
    models: Project, add_conftest: Callable[[str], None]
) -> None:
    add_conftest(
        "import gc\n"
        "import lek.generation.mlx as mlx\n"
        "counts = []\n"
        "def complete(self, *rest):\n"
        "    alive = sum(isinstance(o, mlx.MlxBackend) for o in gc.get_objects())\n"
        "    counts.append(alive)\n"
        "    raise RuntimeError('out of memory, say')\n"
        "mlx.MlxBackend.complete = complete\n"
        "def pytest_unconfigure():\n"
        "    print('alive', counts)\n"
    )
    done = models.evaluate("evals", "-s")
    assert done.code == 1
    assert done.counts["failed"] == 60 + 1
    tracebacks = re.findall(r"^Traceback .most recent call last", done.out, re.M)
    assert len(tracebacks) <= 2 * 4  # for each subject and benchmark, not for each case
    assert "lek: RuntimeError: out of memory, say" in done.out
    assert len(done.out) < 100_000
    assert "alive [1, 1, 1, 1]" in done.out  # the failed model was released


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('model = "../../two"', 'model = "../../nix"', "subjects[1].model = '../../nix': no such"),
        (
            'model = "../../two"',
            'from = "base"\n[[subjects.lora]]\ndata = "nix"',
            "lek: lora.data = 'nix': no such file; expected",
        ),
        (
            'model = "../../two"',
            'from = "base"\n[subjects.abliterate]\nharmful = "a"\nharmless = "b"',
            "lek: abliterate.harmful = 'a': no such file",
        ),
    ],
)
def test_missing_inputs_of_a_recipe_are_a_usage_error(
    models: Project, old: str, new: str, error: str
) -> None:
    file = models.path / "evals" / "profiles" / "small.toml"
    file.write_text(file.read_text().replace(old, new))
    done = models.evaluate("evals")
    assert done.code == 4
    assert error in done.error


def test_answers_with_a_date_in_the_chat_template_are_generated_each_day(
    models: Project, add_conftest: Callable[[str], None]
) -> None:
    for name in ("one", "two"):
        file = models.path / name / "chat_template.jinja"
        file.write_text("{{ strftime_now('%d %B %Y') }} " + file.read_text())
    for _ in range(2):
        models.evaluate("evals", "-k", "X1")
        assert stored(models) == 2
    add_conftest(
        "import lek.generation.generator\n"
        "class Tomorrow:\n"
        "    @staticmethod\n"
        "    def today():\n"
        "        return 'tomorrow'\n"
        "lek.generation.generator.date = Tomorrow\n"
    )
    models.evaluate("evals", "-k", "X1")
    assert stored(models) == 4


def test_absolute_paths_are_not_in_the_run(models: Project) -> None:
    file = models.path / "evals" / "profiles" / "small.toml"
    file.write_text(file.read_text().replace("../../one", str(models.path / "one")))
    done = models.evaluate("evals", "-k", "X1")
    assert str(models.path) not in json.dumps(done.run)
    assert done.run["subjects"][0]["recipe"]["model"] == "one"


def test_a_run_continues_after_being_killed_at_any_moment(models: Project) -> None:
    """Three kills in a row at random moments of starting, training, generating or writing."""
    profile(models, max_tokens=32)
    tiny.chats(models.path / "evals" / "profiles" / "train.jsonl", 8)
    file = models.path / "evals" / "profiles" / "small.toml"
    derived = 'from = "base"\n[[subjects.lora]]\ndata = "train.jsonl"\niters = 20'
    file.write_text(file.read_text().replace('model = "../../two"', derived))
    start = time.monotonic()
    undisturbed = models.evaluate("evals", process=True)
    duration = time.monotonic() - start
    expected, findings = answers(undisturbed), undisturbed.findings
    shutil.rmtree(models.path / ".lek")
    chance = random.Random(4)  # noqa: S311  # not for security
    counts, killed = [0], 0
    for _ in range(12):
        running = subprocess.Popen(
            [sys.executable, "-m", "pytest", "evals"],
            cwd=models.path,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(duration * chance.uniform(0.2, 0.9))
        if running.poll() is not None:  # finished early: start again, and kill sooner
            shutil.rmtree(models.path / ".lek", ignore_errors=True)
            counts, killed, duration = [0], 0, duration / 2
            continue
        killed += 1
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        counts.append(stored(models))
        if killed == 3:
            break
    assert killed == 3
    assert counts == sorted(counts)
    done = models.evaluate("evals")
    assert stored(models) == 60  # nothing was generated twice
    assert answers(done) == expected
    assert done.findings == findings
    assert len([p for p in (models.path / ".lek" / "models").iterdir() if p.name[0] != "."]) == 1


def test_judging_starts_while_models_answer(models: Project) -> None:
    """The first judge requests arrive before the last answers are stored."""
    stored_at_request: list[int] = []

    def counting(asked: Asked) -> Answer:
        stored_at_request.append(stored(models))
        return ok(sevens(asked))

    with serving(counting) as api:
        profile(models)
        file = models.path / "evals" / "profiles" / "small.toml"
        head, gates = file.read_text().split("[judges]")[0], "[gates]\n"
        file.write_text(
            f'{head}[judges]\ndefault = "openai"\n[judges.openai]\nmodel = "m"\n'
            f'base_url = "{api.url}/v1"\n{gates}'
        )
        done = models.evaluate("evals")
    assert done.code == 0, done.out
    assert stored(models) == 60
    assert len(stored_at_request) == len(
        {(v["case"]["id"], v["response"]["text"]) for v in done.verdicts}
    )
    assert min(stored_at_request) < 60
    assert done.run["counts"]["verdicts"] == 60 and not done.run["counts"]["unscored"]


def test_the_cause_of_a_broken_subject_is_printed_once(models: Project) -> None:
    derived = 'from = "base"\n[[subjects.lora]]\ndata = "train.jsonl"\nlearning_rate = 1e30'
    tiny.chats(models.path / "evals" / "profiles" / "train.jsonl", 6)
    file = models.path / "evals" / "profiles" / "small.toml"
    file.write_text(file.read_text().replace('model = "../../two"', derived))
    done = models.evaluate("evals", "--lek-no-gates")
    assert done.code == 1
    cause = "30 cases fail for the same reason; the first of them:\nlearning_rate = 1e+30: the loss"
    assert cause in done.out
    assert done.out.count("the loss is not finite at iteration") == 1, done.out


def test_a_low_limit_of_open_files_is_enough(models: Project) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))\n"
        "original = resource.setrlimit\n"
        "def unprivileged(which, limits):\n"
        "    if limits[1] > resource.getrlimit(which)[1]:\n"
        "        raise ValueError('not allowed to raise maximum limit')\n"
        "    original(which, limits)\n"
        "resource.setrlimit = unprivileged\n"
        "import pytest; code = pytest.main(['evals', '-k', 'X1', '--lek-no-gates'])\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, 300)\n"
        "sys.exit(code)\n"
    )
    done = run_code(models, code)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_a_store_that_is_damaged_meanwhile_ends_the_session(models: Project, way: str) -> None:
    """The store is damaged after it was opened, while the answers are stored."""
    (models.path / "evals" / "conftest.py").write_text(
        "import pathlib, lek.workspace.store as store\n"
        "original = store.Store.put\n"
        "def put(self, key, prompt, response):\n"
        "    path = pathlib.Path(self._path)\n"
        "    for file in path.parent.glob('store.sqlite3*'):\n"
        "        if file.suffix != '.lock': file.write_bytes(b'no store' * 9999)\n"
        "    original(self, key, prompt, response)\n"
        "store.Store.put = put\n"
    )
    done = models.evaluate("evals", way)
    assert done.code == 4, done.out
    assert re.search(r"store\.sqlite3: (damaged|not a store|cannot be used): ", done.error)
    assert "INTERNALERROR" not in done.out and "Traceback" not in done.out


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_another_model_in_the_place_of_a_subject(models: Project, way: str) -> None:
    (base, lek) = models.evaluate("evals", "-k", "X1").run["subjects"]
    tiny.gemma(models.path / "checkpoint", seed=9, layers=2, hidden=64)
    done = models.evaluate("evals", "-k", "X1", "--lek-model=lek=checkpoint", way)
    assert done.code in (0, 1), done.out
    assert done.run["subjects"][0] == base
    assert done.run["subjects"][1]["recipe"]["model"] == "checkpoint"
    assert done.run["subjects"][1]["fingerprint"] != lek["fingerprint"]
    note = "--lek-model lek=checkpoint: in the place of the profile's lek"
    assert note in done.run["notes"]
    assert str(models.path) not in json.dumps(done.run)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("lek", "--lek-model lek: expected SUBJECT=PATH"),
        ("lke=one", "--lek-model lke=one: no subject 'lke', did you mean 'lek'?"),
        ("lek=nowhere", "--lek-model lek=nowhere: no such directory or file, and no owner/name"),
        ("lek=data", "data/config.json: cannot be read"),
    ],
)
def test_errors_of_another_model_are_one_line(models: Project, option: str, error: str) -> None:
    done = models.evaluate("evals", f"--lek-model={option}")
    assert done.code == 4
    assert error in done.error


SYSTEM_AND_KERNEL = """
[[subjects]]
name = "base-careful"
from = "base"
system = "Answer <briefly>."
[[subjects]]
name = "base-kernel"
from = "base"
kernel = true
[[subjects]]
name = "lek-both"
from = "lek"
system = "Answer <briefly>."
kernel = true
"""


def test_the_same_weights_are_asked_under_a_system_message_or_the_kernel(models: Project) -> None:
    for seed, name in enumerate(("one", "two")):  # with room for the kernel
        shutil.rmtree(models.path / name)
        tiny.gemma(
            models.path / name, seed=seed, layers=2, hidden=64, max_position_embeddings=32_768
        )
    path = models.path / "evals" / "profiles" / "small.toml"
    path.write_text(path.read_text().replace("[judges]", SYSTEM_AND_KERNEL + "[judges]"))
    done = models.evaluate("evals", "-m", "toxigen")
    assert done.code == 0, done.out
    subjects = {s["name"]: s for s in done.run["subjects"]}
    for derived, origin in (("base-careful", "base"), ("base-kernel", "base"), ("lek-both", "lek")):
        assert subjects[derived]["fingerprint"] == subjects[origin]["fingerprint"]
    kernel = load_kernel(ROOT / "kernel")
    assert subjects["base-kernel"]["kernel"] == subjects["lek-both"]["kernel"] == kernel.digest
    assert "kernel" not in subjects["base-careful"]
    assert subjects["base-careful"]["recipe"]["system"] == "Answer <briefly>."
    rows = sqlite3.connect(models.path / ".lek" / "store.sqlite3").execute(
        "SELECT response, prompt FROM responses"
    )
    rendered = {(r["subject"], r["case"]): p for r, p in ((json.loads(r), p) for r, p in rows)}
    assert len(rendered) == 5 * 6
    for i in range(6):
        texts = {name: rendered[name, f"X{i}"] for name in subjects}
        assert all(f"people like {i}" in t for t in texts.values())
        has_system = {n for n, t in texts.items() if "Answer <briefly>." in t}
        has_kernel = {n for n, t in texts.items() if kernel.text.strip() in t}
        assert has_system == {"base-careful", "lek-both"}
        assert has_kernel == {"base-kernel", "lek-both"}
    assert all(v["response"]["text"] is not None for v in done.verdicts)
    assert not any((models.path / ".lek" / "models").glob("*careful*"))
