"""The command line tool `lek`. Invalid input is reported in one line, with exit code 4."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from lek.errors import BadInput, printable, suggestion
from lek.generation.responses import SubjectResponses
from lek.profile import loading
from lek.profile.configuration import find_configuration
from lek.profile.loading import LoadedProfile
from lek.workspace.atomic import write_file
from lek.workspace.progress import Progress
from lek.workspace.workspace import Workspace

app = typer.Typer(
    name="lek",
    help="Start evaluations, build subjects, make training data, report runs, write model "
    "cards, calibrate a judge, check the machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
ProfileName = Annotated[
    str, typer.Option("--profile", help="evals/profiles/NAME.toml, or a path", metavar="NAME")
]
SubjectName = Annotated[str, typer.Option("--subject", help="name of the subject", metavar="NAME")]


@app.command()
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="a new directory, or a repository")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="a directory, a GGUF file, or owner/name on the hub (default: the sandbox's model)"
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(help="write a benchmark with three example cases", metavar="NAME"),
    ] = None,
) -> None:
    """Write a profile, evals/ and a CI file for a repository of your own; overwrite nothing."""
    with _input_errors():
        from lek.scaffold.repository import create

        for line in create(directory, model, benchmark).summary():
            typer.echo(printable(line))


@app.command()
def build(
    subject: Annotated[
        str | None, typer.Argument(help="name of the subject (default: all)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="export it to this directory")] = None,
    profile: ProfileName = "sandbox",
) -> None:
    """Build all subjects or one; with --out, export it as a model directory with a card."""
    with _input_errors():
        loaded = _load(profile)
        if subject in loaded.profile.served:
            address = loaded.profile.served[subject].base_url
            raise BadInput(f"{loaded.path}: {subject} is served by {address}; nothing to build")
        names = [s.name for s in loaded.profile.models]
        if not names:
            raise BadInput(f"{loaded.path}: nothing to build; no subject has 'model'")
        if subject is None and out is not None:
            raise BadInput(f"--out {out}: name the subject to export; there are {', '.join(names)}")
        chosen = names if subject is None else [_known(loaded, subject)]
        builder = _responses(loaded, chosen).generator.models.builder
        for name in chosen:
            typer.echo(f"{name}: {builder.directory(name)}")
            if out is not None:
                builder.export(name, out)
                typer.echo(f"{name}: exported to {out}")


@app.command()
def sandwich(
    prompts: Annotated[
        Path, typer.Option(help="a .jsonl or .json file of prompts, or a directory")
    ],
    out: Annotated[Path, typer.Option(help="the .jsonl file to write")],
    subject: SubjectName = "base",
    profile: ProfileName = "sandbox",
) -> None:
    """Write a subject's answers under the kernel as chats to train on."""
    with _input_errors():
        from lek.data.kernel import load_kernel
        from lek.data.prompts import read_prompts
        from lek.generation import sandwich as method

        loaded = _load(profile)
        name = loaded.profile.kernel
        kernel = load_kernel(loaded.relative(name) if name else loading.shipped() / "kernel")
        questions = read_prompts(prompts)
        method.check(out)
        known = _known(loaded, subject)
        generator = _responses(loaded, [known]).generator_of(known)
        harvest = method.sandwich(generator, known, questions, kernel)
        method.write(harvest, out)
        left = "".join(f"; left out {n}: {why}" for why, n in sorted(harvest.left_out.items()))
        typer.echo(f"{out}: {len(harvest.rows)} chats from {len(questions)} prompts{left}")


@app.command()
def calibrate(
    data: Annotated[Path, typer.Option(help="cases, answers in results/, and verdicts")],
    judge: Annotated[str, typer.Option(help="the judge to compare with them")],
    verdicts: Annotated[Path | None, typer.Option(help="a JSON Lines file of verdicts")] = None,
    out_json: Annotated[
        Path | None, typer.Option("--json", help="write all numbers to this file")
    ] = None,
    out_html: Annotated[
        Path | None, typer.Option("--html", help="write a page to this file")
    ] = None,
    most: Annotated[
        int | None, typer.Option("--max-judge-calls", help="stop after so many requests")
    ] = None,
    profile: ProfileName = "sandbox",
) -> None:
    """Compare a judge with recorded or human verdicts: rank correlation, kappa, order, worst cases.

    The settings of an LLM judge are read from the profile; its votes are stored.
    """
    with _input_errors():
        from lek.calibration import report
        from lek.calibration.compare import CalibrationRun

        run = CalibrationRun(_load(profile), judge, data, most)
        result = run.run(verdicts)
        cost, spread = run.cost(), run.spreads(result)
        for line in report.lines(result, cost=cost, spread=spread):
            typer.echo(printable(line))
        if out_json is not None:
            document = report.document(result, run.protocol(), cost=cost, spread=spread)
            text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
            _write(out_json, text + "\n")
        if out_html is not None:
            _write(out_html, report.page(result, run.protocol()))
        sys.stderr.write("".join(f"lek: {printable(line)}\n" for line in run.stopped))
        if run.incomplete(result):
            raise typer.Exit(1)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="the directory of a run", metavar="RUN")],
    html: Annotated[
        Path | None, typer.Option(help="write the page to this file (default: RUN/report.html)")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="write the plots to this directory, as SVG and PNG")
    ] = None,
) -> None:
    """Show a stored run in the terminal, and write its HTML report and its plots."""
    with _input_errors():
        from lek.report import page, terminal
        from lek.report.plots import write as write_plots
        from lek.runs.run import load_run

        loaded = load_run(run)
        for line in terminal.summary(loaded, min(get_terminal_size().columns, 100)):
            typer.echo(printable(line.text))
        if plots is not None:
            for file in write_plots(loaded, plots):
                typer.echo(f"written: {file}")
        if html is not None or plots is None:
            session = run / page.SESSION
            text = session.read_text(encoding="utf-8") if session.is_file() else None
            _write(html or run / "report.html", page.page(loaded, text))


@app.command()
def card(
    run: Annotated[Path, typer.Argument(help="the directory of a run", metavar="RUN")],
    subject: Annotated[
        str | None,
        typer.Option(
            help="name of the subject (default: the only one besides the baseline)", metavar="NAME"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="write it to this file, such as README.md")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace an existing file")] = False,
) -> None:
    """Print a model card for the Hugging Face hub with the results of a stored run."""
    with _input_errors():
        from lek.export.card import model_card, subject_of
        from lek.runs.run import load_run

        if out is not None and not force and os.path.lexists(out):
            raise BadInput(f"--out {out}: exists; name a new file, or add --force")
        loaded = load_run(run)
        text = model_card(loaded, subject_of(loaded, subject))
        if out is None:
            typer.echo(text, nl=False)
        else:
            _write(out, text)


def _write(path: Path, text: str | Iterable[str]) -> None:
    try:
        write_file(path, text)
    except OSError as e:
        raise BadInput(f"{path}: cannot be written: {e.strerror or e}") from e
    typer.echo(f"written: {path}")


@app.command()
def doctor(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="a profile that the machine is to run (default: lek_profile of pytest.ini)",
            metavar="NAME",
        ),
    ] = None,
) -> None:
    """Check the machine, the hub and the keys against a profile, and say what to install."""
    with _input_errors():
        loaded = _configured() if profile is None else _load(profile)
    from lek.models import machine, requirements

    lacking = False
    for finding in chain(machine.examine(), requirements.examine(loaded)):
        typer.echo(printable(f"{finding.state:8}{finding.about:9}{finding.text}"))
        lacking |= finding.state == "missing"
    raise typer.Exit(1 if lacking else 0)


def _configured() -> LoadedProfile | None:
    """The profile that the configuration of pytest in the working directory names, if any."""
    configuration = find_configuration(Path())
    if configuration is None or configuration.profile is None:
        return None
    option, setting = (
        f"--lek-profile {configuration.profile}",
        f"lek_profile = {configuration.profile}",
    )
    try:
        return loading.load(loading.find(configuration.profile, Path("evals/profiles")))
    except BadInput as e:
        raise BadInput(str(e).replace(option, f"{configuration.file}: {setting}")) from e


def _load(name: str) -> LoadedProfile:
    try:
        return loading.load(loading.find(name, Path("evals/profiles")))
    except BadInput as e:
        raise BadInput(str(e).replace("--lek-profile", "--profile")) from e


def _responses(loaded: LoadedProfile, subjects: list[str]) -> SubjectResponses:
    """The responses of a profile whose models, and those of ``subjects``, have been checked."""
    responses = SubjectResponses(loaded, Path(), Workspace(Path(".lek"), Progress()))
    responses.check()
    responses.check_downloads(subjects)
    responses.check_access(subjects)
    return responses


def _known(loaded: LoadedProfile, subject: str) -> str:
    if subject in loaded.profile.recorded:
        raise BadInput(f"{loaded.path}: {subject} has recorded answers, but no weights")
    if subject in loaded.profile.subject_names:
        return subject
    names = loaded.profile.subject_names
    hint = suggestion(subject, names) or f"; there are {', '.join(names)}"
    raise BadInput(f"{loaded.path}: no subject '{subject}'{hint}")


@contextmanager
def _input_errors() -> Iterator[None]:
    """Report `BadInput` as one line on standard error, with exit code 4 as in pytest."""
    try:
        yield
    except BadInput as e:
        sys.stderr.write(f"ERROR: {e}\n")
        raise typer.Exit(4) from e
