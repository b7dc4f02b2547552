"""The files of `lek init`: what they contain, and writing all of them or none."""

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import SHIPPED, name_problem, shipped
from lek.errors import BadInput
from lek.models.checks import check_model
from lek.models.gguf import is_gguf
from lek.profile import loading
from lek.profile.configuration import Configuration, find_configuration
from lek.profile.schema import Data, JudgesConfig
from lek.workspace.atomic import write_file

PROFILE = "main"
_PROFILES = "evals/profiles"
_SANDBOX = f"{SHIPPED}sandbox/base"
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Repository:
    """What `create` wrote.

    ``files``: the new files, relative to ``directory``. ``configuration``: the pytest configuration
    that was there before, so that no ``pytest.ini`` was written. ``sample``: whether the benchmarks
    are so large that a sample should be evaluated first. ``installable``: whether the CI file
    says where the harness is installed from.
    """

    directory: Path
    files: tuple[str, ...]
    configuration: Configuration | None
    sample: bool
    installable: bool

    def summary(self) -> Iterator[str]:
        """Yield lines that say what was written, what remains to do, and how to go on."""
        yield f"written in {self.directory}:"
        yield from (f"  {name}" for name in self.files)
        if not self.installable:
            yield "set LEK in .github/workflows/evals.yml: where CI installs lek from"
        if self.configuration is not None:
            yield from _setting(self.configuration)
        yield "next:"
        if self.directory != Path():
            yield f"  cd {shlex.quote(str(self.directory))}"
        yield "  lek doctor"
        if self.sample:
            yield "  pytest evals --lek-limit 50"
        yield "  pytest evals"


def create(directory: Path, model: str | None = None, benchmark: str | None = None) -> Repository:
    """Write evaluations of ``model`` to ``directory``, which is created if it does not exist.

    ``model``: a model directory, a GGUF file, or a name on the Hugging Face hub; by default the
    model of the sandbox, which ships. ``benchmark``: the name of a new benchmark, of which three
    example cases are written; by default the profile names benchmarks that ship. Raises `BadInput`,
    and leaves everything as it was, if an argument is invalid or if one of the files exists.
    """
    if benchmark is not None:
        _check_name(benchmark)
    written = _SANDBOX if model is None else _model(model, directory)
    values = {
        "benchmark": benchmark,
        "model": written,
        "sandbox": written == _SANDBOX,
        "requirement": _requirement(),
        "local": not written.startswith(SHIPPED) and not _is_hub_name(written),
    }
    contents = {
        f"{_PROFILES}/{PROFILE}.toml": _render("profile.toml", **values),
        ".github/workflows/evals.yml": _render("workflow.yml", **values),
    }
    for name in _without_judge() if benchmark is None else (benchmark,):
        contents[f"evals/test_{name}.py"] = _render("test.py", benchmark=name)
    if benchmark is not None:
        folder = f"evals/benchmarks/{benchmark}"
        contents[f"{folder}/benchmark.toml"] = _render("benchmark.toml", **values)
        contents[f"{folder}/cases.jsonl"] = _render("cases.jsonl")
    try:
        configuration = find_configuration(directory)
        if configuration is None:
            contents["pytest.ini"] = _render("pytest.ini", profile=PROFILE)
        _check_free(directory, contents)
        _write(directory, contents)
    except OSError as e:
        raise BadInput(
            f"{e.filename or directory}: cannot be written: {e.strerror or e}; nothing was written"
        ) from e
    return Repository(
        directory,
        tuple(sorted(contents)),
        configuration,
        benchmark is None,
        _requirement() is not None,
    )


def _without_judge() -> list[str]:
    """The shipped benchmarks with cases on the hub of which no measure needs a judge."""
    return [
        name
        for name, benchmark in shipped().items()
        if benchmark.cases is not None
        and benchmark.cases.dataset is not None
        and all(measure.source != "judge" for measure in benchmark.measures)
    ]


def _setting(configuration: Configuration) -> Iterator[str]:
    """Lines on the setting that an existing ``configuration`` needs."""
    name, line = configuration.file.name, configuration.line(PROFILE)
    if configuration.profile == PROFILE:
        yield f"{name} already has {line}"
        return
    action = "add to it" if configuration.profile is None else "change in it"
    yield from (
        f"{name} already configures pytest; {action}",
        f"  [{configuration.table}]",
        f"  {line}",
    )


def _check_name(benchmark: str) -> None:
    where = f"--benchmark {benchmark}"
    problem = name_problem(benchmark)
    if problem is not None:
        raise BadInput(f"{where}: {problem}")
    if benchmark in shipped():
        raise BadInput(f"{where}: a benchmark of this name ships with lek; choose another name")
    for table, section in (("data", Data), ("judges", JudgesConfig)):
        if benchmark in section.model_fields:
            raise BadInput(f"{where}: a key of [{table}] in profiles; choose another name")


def _model(model: str, directory: Path) -> str:
    """``model`` as the profile in ``directory`` names it."""
    where = f"--model {model}"
    if not model.isprintable():
        raise BadInput(f"{where}: contains characters that cannot be shown; rename it")
    if model.startswith(SHIPPED):
        _check(loading.shipped() / model.removeprefix(SHIPPED), where)
        return model
    path = os.path.expanduser(model)  # noqa: PTH111 (Path.expanduser raises for an unknown user)
    if os.path.exists(path):  # noqa: PTH110 (Path.exists raises for a name that is too long)
        _check(Path(path), where)
        if Path(path).is_absolute():
            return path
        # Symbolic links of the repository are resolved, because ``..`` does not go back over them.
        return os.path.relpath(Path.cwd() / path, Path(os.path.realpath(directory)) / _PROFILES)
    if not _is_hub_name(model):
        raise BadInput(
            f"{where}: no such directory or file, and not an owner/name of the hub; give one of "
            "them"
        )
    return model


def _check(path: Path, where: str) -> None:
    """Raise `BadInput` that begins with ``where`` if ``path`` is no model that can be used."""
    try:
        if path.is_dir():
            check_model(path, chat=True)
        elif is_gguf(path):
            from lek.models.gguf import conversion

            conversion.check(path)
        else:
            raise BadInput("neither a model directory nor a .gguf file; give one of them")
    except BadInput as e:
        raise BadInput(f"{where}: {e}") from e


def _is_hub_name(model: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    with suppress(HFValidationError):
        validate_repo_id(model)
        return "/" in model and not is_gguf(model)
    return False


def _check_free(directory: Path, names: Mapping[str, str]) -> None:
    """Raise `BadInput` if a file exists, or if there is no place for one."""
    for name in names:
        target = directory / name
        if os.path.lexists(target):
            raise BadInput(
                f"{target}: exists and is not overwritten; nothing was written: move it away, or "
                "name another directory"
            )
        for parent in target.parents:
            if os.path.lexists(parent) and not parent.is_dir():
                raise BadInput(f"{parent}: not a directory; nothing was written")


def _write(directory: Path, contents: Mapping[str, str]) -> None:
    """Write files with these ``contents`` by name; if one cannot be written, remove all again."""
    created: list[Path] = []
    try:
        for name, text in contents.items():
            target = directory / name
            for parent in reversed([p for p in target.parents if not p.exists()]):
                parent.mkdir()
                created.append(parent)
            write_file(target, text)
            created.append(target)
    except BaseException:  # also an interrupt
        for path in reversed(created):
            with suppress(OSError):  # another process may have put a file there
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _render(template: str, **values: Any) -> str:
    return str(_environment().get_template(f"{template}.jinja").render(**values))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=False,  # noqa: S701 (no HTML; values are quoted as TOML)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"toml": _quoted, "shell": shlex.quote}
    return environment


def _requirement() -> str | None:
    """What pip installs to get this version of the harness; ``None`` if that is not known.

    It is known if this one was installed from an index or a Git repository (PEP 610).
    """
    try:
        installed = distribution("lek")
        origin = installed.read_text("direct_url.json")
        if origin is None:
            return f"lek=={installed.version}"
        source = json.loads(origin)
        address, version = source["url"], source["vcs_info"]
        if version["vcs"] != "git" or "@" in address:  # an address with a password
            return None
        return f"lek @ git+{address}@{version['commit_id']}"
    except (PackageNotFoundError, KeyError, TypeError, ValueError):
        return None


def _quoted(text: str) -> str:
    """``text``, which has no control characters, as a string of TOML."""
    return json.dumps(text, ensure_ascii=False)
