"""Build model directories from recipes, once each, and keep them by fingerprint."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lek.data.prompts import read_prompts
from lek.errors import BadInput
from lek.models import adapters, machine
from lek.models.abliteration.search import abliterate
from lek.models.gguf import is_gguf
from lek.models.lora import fuse, train_stage
from lek.models.recipes import Recipe, Recipes, StartModel
from lek.models.weights import load, save
from lek.profile.schema import DerivedSubject, ModelSubject
from lek.workspace.atomic import exclusive, is_free, new_directory, remove_leftovers
from lek.workspace.progress import Progress


class Builder:
    """Builds the models of a profile's subjects on demand, below the directory ``home``.

    ``home/models/<subject>-<fingerprint>`` holds a model, ``home/adapters/<fingerprint>`` the
    adapter after one LoRA stage.
    """

    def __init__(self, recipes: Recipes, home: Path, progress: Progress) -> None:
        self.recipes, self._progress = recipes, progress
        self._models, self._adapters = home / "models", home / "adapters"

    def directory(self, name: str) -> Path:
        """Return the model directory of subject ``name``, building it if necessary.

        Raises `BadInput` if it cannot be built.
        """
        name = self.recipes.same_model(name)
        recipe = self.recipes.of(name)
        if not recipe.stages:
            return self._start_model(recipe.start)
        target = self._path(name, recipe.fingerprint)

        def make(out: Path) -> dict[str, Any]:
            start, trained = self._start_model(recipe.start), self._train(name, recipe)
            self._progress.say(f"{name}: fusing the adapter")
            fuse(start, trained[-1], out)
            start_facts = facts_of(start) or {}
            inherited = {k: v for k, v in start_facts.items() if k in ("abliteration", "adapter")}
            return self._facts(name, recipe, **inherited, lora=[facts_of(a) for a in trained])

        return self._made_once(target, make)

    def facts(self, name: str) -> dict[str, Any]:
        """Return the build record of subject ``name``; empty if its source is used unchanged."""
        name = self.recipes.same_model(name)
        recipe = self.recipes.of(name)
        return facts_of(self._path(name, recipe.fingerprint)) or {}

    def export(self, name: str, out: Path) -> None:
        """Copy the model of subject ``name`` to ``out`` in Hugging Face format, with a model card.

        Raises `BadInput` unless ``out`` is new or an empty directory.
        """
        if not is_free(out):
            raise BadInput(f"--out {out}: not an empty directory; name a new directory")
        source, recipe = self.directory(name), self.recipes.of(name)
        facts = self.facts(name) or self._facts(name, recipe)
        try:
            with new_directory(out) as temporary:
                shutil.copytree(source, temporary, dirs_exist_ok=True)
                (temporary / "README.md").write_text(card(name, facts), encoding="utf-8")
        except OSError as e:
            raise BadInput(f"--out {out}: cannot be written: {e.strerror or e}") from e

    def _made_once(self, target: Path, make: Callable[[Path], dict[str, Any]]) -> Path:
        return made_once(target, make, digest=self.recipes.digest, say=self._progress.say)

    def _path(self, name: str, fingerprint: str) -> Path:
        return self._models / f"{name}-{fingerprint[:16]}"

    def _start_model(self, start: StartModel) -> Path:
        """The directory of a start model, which is made unless it is an unchanged source."""
        subject, form = start.subject, self.recipes.form
        # where LoRA stages follow, the name of the subject itself is kept for their result
        final = not (isinstance(subject, DerivedSubject) and subject.lora)
        target = self._path(subject.name if final else f"{subject.name}.start", start.fingerprint)
        if isinstance(subject, ModelSubject):
            source, stored = self.recipes.source(subject), self.recipes.stored_form(subject)
            unchanged = form.dtype in (None, stored.dtype) and form.dequantize <= stored.dequantize
            if unchanged and not is_gguf(source):
                return source

            def write(out: Path) -> dict[str, Any]:
                self._progress.say(f"{subject.name}: converting to {form}")
                if is_gguf(source):
                    from lek.models.gguf.conversion import convert

                    convert(source, out, form.dtype or stored.dtype or "float32")
                else:
                    save(load(source, form), out, source=source)
                return self._facts(subject.name, self.recipes.of(subject.name))

            return self._made_once(target, write)
        origin = subject.origin

        def add_adapter(out: Path) -> dict[str, Any]:
            assert subject.adapter is not None
            self._progress.say(f"{subject.name}: fusing the adapter {subject.adapter}")
            adapter = self.recipes.data(subject.adapter)
            facts = adapters.fuse(self.directory(origin), adapter, out)
            return self._facts(subject.name, Recipe(start, (), ()), adapter=facts)

        def edit(out: Path) -> dict[str, Any]:
            settings, source = subject.abliterate, self.directory(origin)
            assert settings is not None
            loaded = load(source, form)
            prompts = [
                list(read_prompts(self.recipes.data(p)).values())
                for p in (settings.harmful, settings.harmless)
            ]
            with self._progress.steps(subject.name) as on_progress:
                report = abliterate(loaded, settings, *prompts, progress=on_progress)
            if report.note:
                self._progress.say(f"{subject.name}: {report.note}")
            save(loaded, out, source=source)
            recipe = Recipe(start, (), ())
            return self._facts(subject.name, recipe, abliteration=report.facts())

        return self._made_once(target, edit if subject.abliterate else add_adapter)

    def _train(self, name: str, recipe: Recipe) -> list[Path]:
        """The adapter directories of all stages, each stage resuming from the one before."""
        start, trained = self._start_model(recipe.start), list[Path]()
        for stage, fingerprint in zip(recipe.stages, recipe.adapters, strict=True):
            previous = trained[-1] if trained else None

            def train(out: Path, stage: Any = stage, previous: Any = previous) -> dict[str, Any]:
                data = self.recipes.data(stage.data)
                with self._progress.steps(name) as on_progress:
                    return train_stage(
                        start, stage, data, out, resume=previous, progress=on_progress
                    )

            trained.append(self._made_once(self._adapters / fingerprint[:16], train))
        return trained

    def _facts(self, name: str, recipe: Recipe, **more: Any) -> dict[str, Any]:
        return {
            "subject": name,
            "fingerprint": recipe.fingerprint,
            "form": str(self.recipes.form),
            "recipe": self.recipes.describe(name),
            "blas": machine.blas(),
            **more,
        }


def card(name: str, facts: dict[str, Any]) -> str:
    """Return a model card (README in Markdown) for subject ``name`` from its build record."""
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
        f"Built by the LEM evaluation harness; numeric format: {facts['form']}.",
        f"Fingerprint: `{facts['fingerprint']}`. The licence of the source model applies.",
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
    abliteration = facts.get("abliteration")
    if abliteration:
        text = json.dumps(abliteration, indent=1, ensure_ascii=False)
        lines += ["## Effects of the abliteration", "", "```json", text, "```", ""]
    if "lora" in facts:
        stages = json.dumps(facts["lora"], indent=1, ensure_ascii=False)
        lines += ["## LoRA stages", "", "```json", stages, "```", ""]
    return "\n".join(lines)


FACTS = "build.json"
FILES = "files"  # in the build record: SHA-256 of each file that was made, by its path


def made_once(
    target: Path,
    make: Callable[[Path], dict[str, Any]],
    *,
    digest: Callable[[Path], str],
    say: Callable[[str], None],
) -> Path:
    """Return ``target``, which ``make(temporary_directory)`` creates unless it exists unchanged.

    The result of ``make``, the build record, is written to ``build.json`` in the directory, with
    the digests of all files. If a file was changed, added or removed since, ``target`` is made
    again. Only one process makes a target at a time. ``digest``: returns the SHA-256 of a file.
    ``say``: called with a message if another process is making it, or if it is made again.
    """
    if target.is_dir() and _damage(target, digest) is None:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BadInput(f"{target.parent}: cannot be written: {e.strerror}") from e
    lock_file = target.parent / f".{target.name}.lock"
    message = f"waiting for another process that makes {target.name}"
    with exclusive(lock_file, lambda: say(message)):
        if target.is_dir() and (damage := _damage(target, digest)) is not None:
            say(f"{target}: {damage}; making it again")
            shutil.rmtree(target)
        if not target.is_dir():
            _make(target, make, digest)
    return target


def _make(
    target: Path, make: Callable[[Path], dict[str, Any]], digest: Callable[[Path], str]
) -> None:
    remove_leftovers(target.parent)
    with new_directory(target) as temporary:
        facts = make(temporary)
        files = {str(f.relative_to(temporary)): digest(f) for f in _files(temporary)}
        text = json.dumps(facts | {FILES: files}, indent=1, ensure_ascii=False, allow_nan=False)
        (temporary / FACTS).write_text(text + "\n", encoding="utf-8")


def _damage(directory: Path, digest: Callable[[Path], str]) -> str | None:
    """How the files in ``directory`` differ from those that were made; ``None`` if they do not."""
    record = _record(directory) or {}
    made = record.get(FILES)
    if not isinstance(made, dict):
        return "has no record of its files"
    found = {str(f.relative_to(directory)): f for f in _files(directory)}
    try:
        for name in sorted(made.keys() | found.keys()):
            if name not in found:
                return f"{name} is missing"
            if name not in made:
                return f"{name} was added"
            if digest(found[name]) != made[name]:
                return f"{name} was changed"
    except OSError as e:
        return f"{e.filename} cannot be read"
    return None


def _files(directory: Path) -> list[Path]:
    """The files below ``directory``, without the build record and hidden files."""
    files = (f for f in sorted(directory.rglob("*")) if f.is_file())
    return [f for f in files if f.name != FACTS and not f.name.startswith(".")]


def facts_of(directory: Path) -> dict[str, Any] | None:
    """Return the build record in ``directory`` without digests; ``None`` if there is none."""
    record = _record(directory)
    return None if record is None else {k: v for k, v in record.items() if k != FILES}


def _record(directory: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((directory / FACTS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
