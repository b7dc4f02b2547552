"""A recipe -> the model directory, made once and kept under the name of its fingerprint."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lek.data.prompts import read_prompts
from lek.errors import BadInput
from lek.models import machine
from lek.models.abliteration.search import abliterate
from lek.models.lora import fuse, train_stage
from lek.models.recipes import Recipe, Recipes, StartModel
from lek.models.weights import load, save, stored_form
from lek.profile.schema import DerivedSubject, ModelSubject
from lek.workspace.atomic import new_directory
from lek.workspace.progress import Progress


class Builder:
    """Where the subjects of a profile lie, built at need below ``home``.

    It then holds ``models/<subject>-<fingerprint>`` for each model, and
    ``adapters/<fingerprint>`` for the adapter after each LoRA stage.
    """

    def __init__(self, recipes: Recipes, home: Path, progress: Progress) -> None:
        self.recipes, self._progress = recipes, progress
        self._models, self._trained = home / "models", home / "adapters"

    def directory(self, name: str) -> Path:
        """The model directory of subject ``name``, built if need be; `BadInput` if it can't be."""
        recipe = self.recipes.of(name)
        if not recipe.stages:
            return self._start_model(recipe.start)
        target = self._place(name, recipe.fingerprint)

        def make(out: Path) -> dict[str, Any]:
            start, trained = self._start_model(recipe.start), self._adapters(name, recipe)
            self._progress.say(f"{name}: fusing the adapter")
            fuse(start, trained[-1], out)
            before = facts_of(start) or {}
            kept = {k: v for k, v in before.items() if k == "abliteration"}
            return self._facts(name, recipe, **kept, lora=[facts_of(a) for a in trained])

        return made_once(target, make, self._progress.say)

    def facts(self, name: str) -> dict[str, Any]:
        """What is known of how subject ``name`` was built; empty for a source as it is."""
        recipe = self.recipes.of(name)
        return facts_of(self._place(name, recipe.fingerprint)) or {}

    def export(self, name: str, out: Path) -> None:
        """Copy subject ``name`` to ``out`` (new or empty) in Hugging Face's format, with a card."""
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BadInput(f"--out {out}: holds something already; name a new directory")
        source, recipe = self.directory(name), self.recipes.of(name)
        facts = self.facts(name) or self._facts(name, recipe)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, out, dirs_exist_ok=True)
            (out / "README.md").write_text(card(name, facts), encoding="utf-8")
        except OSError as e:
            raise BadInput(f"--out {out}: cannot be written: {e.strerror or e}") from e

    def _place(self, name: str, fingerprint: str) -> Path:
        return self._models / f"{name}-{fingerprint[:16]}"

    def _start_model(self, start: StartModel) -> Path:
        subject, form = start.subject, self.recipes.form
        own = not (isinstance(subject, DerivedSubject) and subject.lora)
        target = self._place(subject.name if own else f"{subject.name}.ground", start.fingerprint)
        if isinstance(subject, ModelSubject):
            source = self.recipes.source(subject)
            stored = stored_form(source)
            same = form.dtype in (None, stored.dtype) and form.dequantize <= stored.dequantize
            if same:
                return source

            def convert(out: Path) -> dict[str, Any]:
                self._progress.say(f"{subject.name}: converting to {form}")
                save(load(source, form), out, source=source)
                return self._facts(subject.name, self.recipes.of(subject.name))

            return made_once(target, convert, self._progress.say)
        origin = subject.origin

        def edit(out: Path) -> dict[str, Any]:
            settings, source = subject.abliterate, self.directory(origin)
            assert settings is not None  # a start upon another subject is an abliteration
            loaded = load(source, form)
            prompts = [
                list(read_prompts(self.recipes.data(p)).values())
                for p in (settings.harmful, settings.harmless)
            ]
            with self._progress.steps(subject.name) as tell:
                report = abliterate(loaded, settings, *prompts, progress=tell)
            save(loaded, out, source=source)
            recipe = Recipe(start, (), ())
            return self._facts(subject.name, recipe, abliteration=report.facts())

        return made_once(target, edit, self._progress.say)

    def _adapters(self, name: str, recipe: Recipe) -> list[Path]:
        """The adapter after each stage, each trained from the one before."""
        start, made = self._start_model(recipe.start), list[Path]()
        for stage, fingerprint in zip(recipe.stages, recipe.adapters, strict=True):
            before = made[-1] if made else None

            def train(out: Path, stage: Any = stage, before: Any = before) -> dict[str, Any]:
                data = self.recipes.data(stage.data)
                with self._progress.steps(name) as tell:
                    return train_stage(start, stage, data, out, resume=before, progress=tell)

            made.append(made_once(self._trained / fingerprint[:16], train, self._progress.say))
        return made

    def _facts(self, name: str, recipe: Recipe, **more: Any) -> dict[str, Any]:
        return {
            "subject": name,
            "fingerprint": recipe.fingerprint,
            "form": str(self.recipes.form),
            "recipe": self.recipes.describe(name),
            "blas": machine.preload(),
            **more,
        }


def card(name: str, facts: dict[str, Any]) -> str:
    """A README in Markdown for the model directory of subject ``name``."""
    recipe = json.dumps(facts["recipe"], indent=1, ensure_ascii=False)
    lines = [
        "---",
        "library_name: mlx",
        "pipeline_tag: text-generation",
        "tags: [mlx, lem]",
        "---",
        "",
        f"# {name}",
        "",
        f"Built by the LEM evaluation harness; numeric form: {facts['form']}.",
        f"Fingerprint: `{facts['fingerprint']}`. Its licence is that of its origin.",
        "",
        "```python",
        "from mlx_lm import generate, load",
        "",
        'model, tokenizer = load("this directory")',
        "```",
        "",
        "## Recipe",
        "",
        "```json",
        recipe,
        "```",
        "",
    ]
    measured = facts.get("abliteration")
    if measured:
        text = json.dumps(measured, indent=1, ensure_ascii=False)
        lines += ["## What the abliteration did", "", "```json", text, "```", ""]
    if "lora" in facts:
        stages = json.dumps(facts["lora"], indent=1, ensure_ascii=False)
        lines += ["## What the training did", "", "```json", stages, "```", ""]
    return "\n".join(lines)


FACTS = "build.json"


def made_once(
    target: Path, make: Callable[[Path], dict[str, Any]], wait: Callable[[str], None]
) -> Path:
    """``target``, made by ``make(temporary)`` unless it is there; ``wait`` is told of a wait.

    What ``make`` returns is kept as ``build.json`` in the directory.
    """
    if target.is_dir():
        return target
    from filelock import FileLock, Timeout

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BadInput(f"{target.parent}: cannot be written: {e.strerror}") from e
    lock = FileLock(target.parent / f".{target.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        wait(f"waiting for another process that makes {target.name}")
        lock.acquire()
    try:
        if not target.is_dir():
            _make(target, make)
    finally:
        lock.release()
    return target


def _make(target: Path, make: Callable[[Path], dict[str, Any]]) -> None:
    for left in target.parent.glob(f".{target.name}.*.tmp"):  # of makers that were killed
        shutil.rmtree(left)
    with new_directory(target) as temporary:
        facts = make(temporary)
        text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
        (temporary / FACTS).write_text(text + "\n", encoding="utf-8")


def facts_of(directory: Path) -> dict[str, Any] | None:
    """What the maker of ``directory`` noted, or ``None`` where nothing was made."""
    try:
        facts = json.loads((directory / FACTS).read_bytes())
    except (OSError, ValueError):
        return None
    return dict(facts)
