"""The files of `lek init`: names and paths of all kinds, and nothing that is overwritten."""

import json
import os
import tomllib
from pathlib import Path

import pytest
import yaml
from support import tiny

from lek.errors import BadInput
from lek.profile import loading
from lek.scaffold import repository
from lek.scaffold.repository import create

FILES = {
    ".github/workflows/evals.yml",
    "evals/benchmarks/mine/benchmark.toml",
    "evals/benchmarks/mine/cases.jsonl",
    "evals/profiles/main.toml",
    "evals/test_mine.py",
    "pytest.ini",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.gemma(tmp_path_factory.mktemp("tiny"), layers=2, hidden=64)


def files(directory: Path) -> set[str]:
    return {str(f.relative_to(directory)) for f in directory.rglob("*") if f.is_file()}


def profile(directory: Path) -> loading.LoadedProfile:
    return loading.load(directory / "evals" / "profiles" / "main.toml")


def model(directory: Path) -> str:
    loaded = profile(directory)
    return loaded.profile.subjects[0].model  # type: ignore[union-attr]


def test_what_is_written(here: Path) -> None:
    written = create(Path("repo"), benchmark="mine")
    assert set(written.files) == files(here / "repo") == FILES
    assert list(profile(Path("repo")).benchmarks) == ["mine"]
    assert max(map(len, written.summary())) <= 80
    rows = (here / "repo/evals/benchmarks/mine/cases.jsonl").read_text().splitlines()
    assert len([json.loads(row) for row in rows]) == 3


def test_an_existing_repository_keeps_its_files(here: Path) -> None:
    (here / "evals").mkdir()
    (here / "evals" / "conftest.py").write_text("# mine")
    (here / "README.md").write_text("mine")
    create(Path(), benchmark="mine")
    assert files(here) == FILES | {"evals/conftest.py", "README.md"}
    assert (here / "evals" / "conftest.py").read_text() == "# mine"


@pytest.mark.parametrize("name", sorted(FILES - {"pytest.ini"}))
def test_an_existing_file_is_not_overwritten(here: Path, name: str) -> None:
    file = here / "repo" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(BadInput) as caught:
        create(Path("repo"), benchmark="mine")
    assert str(caught.value) == (
        f"repo/{name}: exists and is not overwritten; nothing was written: move it away, or name "
        "another directory"
    )
    assert files(here) == {f"repo/{name}"}
    assert file.read_text() == "mine"


def test_a_broken_link_is_not_overwritten(here: Path) -> None:
    (here / "evals" / "profiles").mkdir(parents=True)
    (here / "evals" / "profiles" / "main.toml").symlink_to("elsewhere")
    with pytest.raises(BadInput, match=r"main\.toml: exists"):
        create(Path())
    assert not files(here)


@pytest.mark.parametrize("name", ["repo", "repo/evals", "repo/.github", "repo/evals/profiles"])
def test_a_file_in_the_place_of_a_directory(here: Path, name: str) -> None:
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    (here / name).write_text("mine")
    with pytest.raises(BadInput, match=rf"^{name}: not a directory; nothing was written$"):
        create(Path("repo"))
    assert files(here) == {name}


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, existing: bool
) -> None:
    if existing:
        (here / "repo" / "evals").mkdir(parents=True)
    before = set(here.rglob("*"))
    write, calls = repository.write_file, []

    def fail(target: Path, text: str) -> None:
        calls.append(target)
        if len(calls) == 4:
            raise failure
        write(target, text)

    monkeypatch.setattr(repository, "write_file", fail)
    expected = BadInput if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        create(Path("repo"), benchmark="mine")
    if expected is BadInput:
        error = "repo: cannot be written: No space left on device; nothing was written"
        assert str(caught.value) == error
    assert set(here.rglob("*")) == before


ADD, CHANGE = "already configures pytest; add to it", "already configures pytest; change in it"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("pytest.ini", "", [ADD, "[pytest]", "lek_profile = main"]),
        ("tox.ini", "[pytest]\n", [ADD, "[pytest]", "lek_profile = main"]),
        ("setup.cfg", "[tool:pytest]\n", [ADD, "[tool:pytest]", "lek_profile = main"]),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\n",
            [ADD, "[tool.pytest.ini_options]", 'lek_profile = "main"'],
        ),
        ("tox.ini", "[pytest]\nlek_profile = main\n", ["already has lek_profile = main"]),
        (
            "pytest.ini",
            "[pytest]\nlek_profile = a\n",
            [CHANGE, "[pytest]", "lek_profile = main"],
        ),
    ],
)
def test_an_existing_configuration_of_pytest_is_kept(
    here: Path, name: str, text: str, lines: list[str]
) -> None:
    (here / name).write_text(text)
    written = create(Path())
    assert (here / name).read_text() == text
    assert name == "pytest.ini" or not (here / "pytest.ini").exists()
    assert "pytest.ini" not in written.files
    shown = list(written.summary())
    start = next(i for i, line in enumerate(shown) if line.startswith(name))
    expected = [f"{name} {lines[0]}", *(f"  {line}" for line in lines[1:])]
    assert shown[start : start + len(lines)] == expected
    assert max(map(len, shown)) <= 80


def test_another_file_of_the_project_is_no_configuration(here: Path) -> None:
    (here / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert "pytest.ini" in create(Path()).files


@pytest.mark.parametrize(
    ("benchmark", "error"),
    [
        ("", "expected lower-case letters, digits and '_', beginning with a letter"),
        ("a b", "expected lower-case letters"),
        ("../x", "expected lower-case letters"),
        ('x"', "expected lower-case letters"),
        ("Mine", "expected lower-case letters"),
        ("1st", "expected lower-case letters"),
        ("skip", "pytest uses this name; choose another"),
        ("gsm8k", "a benchmark of this name ships with lek; choose another name"),
        ("openai", "a key of [judges] in profiles; choose another name"),
        ("source", "a key of [data] in profiles; choose another name"),
    ],
)
def test_bad_names_of_a_benchmark(here: Path, benchmark: str, error: str) -> None:
    with pytest.raises(BadInput) as caught:
        create(Path("repo"), benchmark=benchmark)
    assert str(caught.value).startswith(f"--benchmark {benchmark}: {error}")
    assert not (here / "repo").exists()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("nix", "no such directory or file, and not an owner/name of the hub; give one of them"),
        ("", "no such directory or file"),
        ("../nix", "no such directory or file"),
        ("~nobody-has-this-name/x", "no such directory or file"),
        ("a/b/c", "no such directory or file"),
        ("models/x.gguf", "no such directory or file"),
        (r"C:\models\x", "no such directory or file"),
        ("x" * 5000, "no such directory or file"),
        ('a"/b', "no such directory or file"),
        ("a\nb", "contains characters that cannot be shown; rename it"),
        ("empty", "empty/config.json: cannot be read: No such file or directory"),
        ("file.txt", "neither a model directory nor a .gguf file; give one of them"),
        ("file.gguf", "file.gguf: "),
        ("lek:sandbox/nix", "neither a model directory nor a .gguf file"),
    ],
)
def test_bad_models(here: Path, given: str, error: str) -> None:
    (here / "empty").mkdir()
    (here / "file.txt").write_text("")
    (here / "file.gguf").write_text("no model")
    with pytest.raises(BadInput) as caught:
        create(Path("repo"), given)
    message = str(caught.value)
    assert error in message and message.startswith("--model ")
    assert "\n" not in message
    assert not (here / "repo").exists()


@pytest.mark.parametrize(
    "name",
    ["model", 'a "quoted" name', "it's", r"C:\models\x", "sp ace/ünï", "a/b", "{{ x }}", "#"],
)
def test_a_path_is_relative_to_the_profile(here: Path, tiny_model: Path, name: str) -> None:
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    (here / name).symlink_to(tiny_model)
    create(Path("some/repo"), name)
    assert model(Path("some/repo")) == f"../../../../{name}"
    loaded = profile(Path("some/repo"))
    assert loaded.relative(model(Path("some/repo"))).samefile(tiny_model)
    assert (
        "must be part of the repository"
        in (here / "some/repo/.github/workflows/evals.yml").read_text()
    )


def test_paths_of_other_kinds(
    here: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(Path("absolute"), str(tiny_model))
    assert model(Path("absolute")) == str(tiny_model)
    monkeypatch.setenv("HOME", str(tiny_model.parent))
    create(Path("home"), f"~/{tiny_model.name}")
    assert model(Path("home")) == str(tiny_model)
    (here / "here").symlink_to(tiny_model)
    (here / "deep" / "down").mkdir(parents=True)
    (here / "link").symlink_to("deep/down")
    create(Path("link"), "here")
    monkeypatch.chdir("link")
    assert model(Path()) == "../../../../here"
    assert profile(Path()).relative(model(Path())).samefile(tiny_model)


@pytest.mark.parametrize("given", ["google/gemma-3-1b-it", "lek:sandbox/pretrained"])
def test_other_models_are_named_as_they_are(given: str) -> None:
    create(Path("repo"), given)
    assert model(Path("repo")) == given
    text = Path("repo/evals/profiles/main.toml").read_text()
    assert 'data = "lek:training"' in text and "max_tokens = 512" in text


@pytest.mark.parametrize("benchmark", [None, "mine"])
def test_examples_in_comments_are_valid(here: Path, benchmark: str | None) -> None:
    """All commented keys are uncommented: the profile and the benchmark are valid."""
    create(here, benchmark=benchmark)
    file = here / "evals" / "profiles" / "main.toml"
    text = _uncommented(file.read_text()).replace(" # terms at", "# terms at")
    file.write_text(text)
    if benchmark:
        own = here / "evals" / "benchmarks" / benchmark / "benchmark.toml"
        (own.parent / "helpfulness.md").write_text("Score it.")
        own.write_text(_uncommented(own.read_text()).replace('["exact"]', '["exact", "llm"]'))
    loaded = loading.load(file)
    assert "gsm8k" in loaded.benchmarks
    assert loaded.profile.judges.openai is not None
    assert len(loaded.profile.gates.rules) == 2
    if benchmark:
        assert "helpfulness" in loaded.benchmarks[benchmark]


def _uncommented(text: str) -> str:
    """``text`` with each comment that is a line of TOML as such a line."""
    lines = []
    for line in text.splitlines():
        bare = line.strip().removeprefix("# ")
        try:
            tomllib.loads(f"x = [{bare}\n]" if bare.startswith('"') else bare)
        except tomllib.TOMLDecodeError:
            bare = line
        lines.append(bare)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("benchmark", [None, "mine"])
def test_the_workflow_is_valid(here: Path, benchmark: str | None) -> None:
    create(here, benchmark=benchmark)
    content = yaml.safe_load((here / ".github" / "workflows" / "evals.yml").read_text())
    assert content["permissions"] == {"contents": "read"}
    (job,) = content["jobs"].values()
    actions = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert actions == [
        "actions/checkout",
        "actions/setup-python",
        "actions/cache/restore",
        "actions/upload-artifact",
        "actions/cache/save",
    ]
    (report,) = (s for s in job["steps"] if "upload-artifact" in s.get("uses", ""))
    assert (report["if"], report["with"]["path"]) == ("always()", "report.html")
    assert report["with"]["name"] == "report-${{ github.sha }}"
    restored, saved = (s["with"] for s in job["steps"] if "/cache/" in s.get("uses", ""))
    assert (restored["path"], restored["key"]) == (saved["path"], saved["key"])
    assert saved["path"].split() == [".lek/*", "!.lek/runs", "~/.cache/huggingface"]
    assert os.linesep not in restored["key"]
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert "apt-get install -y libopenblas0-pthread" in scripts[0]
    assert scripts[1] == 'pip install "${LEK:?set LEK in .github/workflows/evals.yml}"'
    assert scripts[2].startswith("pytest evals ")


COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT = {"vcs": "git", "commit_id": COMMIT}


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install lek==1.2"),
        (
            {"url": "https://example.org/a b/lek.git", "vcs_info": GIT},
            f"pip install 'lek @ git+https://example.org/a b/lek.git@{COMMIT}'",
        ),
        ({"url": "https://me:p4ssw0rd@example.org/lek.git", "vcs_info": GIT}, None),
        ({"url": "file:///somewhere/lek", "dir_info": {"editable": True}}, None),
        ({"url": "file:///somewhere/lek-1.2-py3-none-any.whl", "archive_info": {}}, None),
        ("nonsense", None),
    ],
)
def test_the_workflow_installs_the_harness_from_where_it_came(
    here: Path, monkeypatch: pytest.MonkeyPatch, origin: object, command: str | None
) -> None:
    class Installed:
        version = "1.2"

        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if origin is None else json.dumps(origin)

    monkeypatch.setattr("lek.scaffold.repository.distribution", lambda name: Installed())
    lines = list(create(here).summary())
    text = (here / ".github" / "workflows" / "evals.yml").read_text()
    (job,) = yaml.safe_load(text)["jobs"].values()
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert "p4ssw0rd" not in text and "somewhere" not in text
    if command is None:
        assert 'LEK: ""' in text
        assert any(line.startswith("set LEK in .github/workflows/evals.yml") for line in lines)
    else:
        assert scripts[1] == command
        assert not any("LEK" in line for line in lines)
