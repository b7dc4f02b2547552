"""A profile's subject -> what it is made of, and the fingerprint of all that goes into it.

A subject is a source (a directory, or a model of the hub), or steps upon another subject: an
abliteration, then LoRA stages. Stages upon a subject that was itself made by stages continue its
adapter. Nothing is loaded here, and what was digested once is remembered.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lek.errors import BadInput
from lek.models import machine
from lek.models.hub import fetch, local
from lek.models.weights import NumericFormat, stored_form
from lek.profile.loading import SHIPPED, LoadedProfile
from lek.profile.schema import DerivedSubject, ModelSubject, Stage
from lek.workspace.fingerprint import code_digest
from lek.workspace.store import Store

_LIBRARIES = ("mlx", "mlx-lm", "transformers", "tokenizers")
# the files that compute what a step makes; tests/test_recipes.py sees that none is missing
CODE = {
    "source": ("models/weights.py",),
    "abliterate": (
        "models/weights.py",
        "models/abliteration/search.py",
        "models/abliteration/directions.py",
        "models/abliteration/projection.py",
        "models/abliteration/effects.py",
        "models/abliteration/batches.py",
        "text/refusals.py",
        "text/refusals.toml",
        "text/degeneration.py",
        "text/sentences.py",
    ),
    "lora": ("models/weights.py", "models/lora.py", "models/chats.py"),
}
_PARTS = (".json", ".safetensors", ".jinja", ".model", ".tiktoken", ".txt")


def _is_part(name: str) -> bool:
    """Whether a file of a model directory is part of the model."""
    return name.endswith(_PARTS) and name != "build.json" and not name.startswith(".")


@dataclass(frozen=True)
class StartModel:
    """A model before any LoRA: the source of ``subject``, or what its abliteration gives."""

    subject: ModelSubject | DerivedSubject
    fingerprint: str


@dataclass(frozen=True)
class Recipe:
    """How a subject comes about: a start, and the chain of LoRA stages upon it.

    ``adapters`` are the fingerprints of the adapter after each stage.
    """

    start: StartModel
    stages: tuple[Stage, ...]
    adapters: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """What stands for the subject's weights, tokenizer and numeric form."""
        return self.adapters[-1] if self.adapters else self.start.fingerprint


class Recipes:
    """The recipes of a profile's subjects."""

    def __init__(self, loaded: LoadedProfile, store: Store) -> None:
        self._loaded, self._store = loaded, store
        self._subjects = {s.name: s for s in loaded.profile.models}
        self._of: dict[str, Recipe] = {}

    @cached_property
    def form(self) -> NumericFormat:
        """The one numeric form of all subjects, since they are compared.

        All are dequantised if one is: by its own key, by being edited (an edit is never quantised
        anew), by not being quantised to begin with, or by default on a CPU, where 4 bits are slow.
        The type is the profile's; else float32 on a CPU, and elsewhere the one that all sources
        are stored in, or float32 where they differ.
        """
        subjects = self._subjects.values()
        slow = not machine.accelerated()
        dequantize = any(s.dequantize or isinstance(s, DerivedSubject) for s in subjects)
        dequantize |= slow and not any(s.dequantize is False for s in subjects)
        dtype = self._loaded.profile.decoding.dtype or ("float32" if slow else None)
        if not dequantize or dtype is None:
            stored = [stored_form(self.source(s)) for s in subjects if isinstance(s, ModelSubject)]
            dequantize |= any(form.dequantize for form in stored)
            types = {form.dtype for form in stored}
            dtype = dtype or (types.pop() if len(types) == 1 else None) or "float32"
        return NumericFormat(dtype, dequantize)

    def of(self, name: str) -> Recipe:
        """The recipe of subject ``name``. A source that lies on the hub is fetched for it."""
        if name not in self._of:
            self._of[name] = self._recipe(self._subjects[name])
        return self._of[name]

    def describe(self, name: str) -> dict[str, Any]:
        """The recipe as the profile gives it, as plain values."""
        subject = self._subjects[name]
        return subject.public_dict(by_alias=True, exclude_none=True, exclude={"name"})

    def dated(self, name: str) -> bool:
        """Whether the chat template of ``name`` writes the date, so that prompts change by day."""
        subject = self._subjects[name]
        while isinstance(subject, DerivedSubject):
            subject = self._subjects[subject.origin]
        place = self.source(subject)
        files = (place / "chat_template.jinja", place / "tokenizer_config.json")
        return any("strftime_now" in f.read_text(encoding="utf-8") for f in files if f.is_file())

    def source(self, subject: ModelSubject) -> Path:
        """Where the model of a source lies; fetched from the hub where it is not there yet."""
        place = self._loaded.relative(subject.model)
        return fetch(subject.model, subject.revision, place)

    def at_hand(self) -> bool:
        """Whether every source is on this machine, so that nothing is fetched to name a recipe."""
        sources = [s for s in self._subjects.values() if isinstance(s, ModelSubject)]
        return all(local(s.model, s.revision, self._loaded.relative(s.model)) for s in sources)

    def data(self, path: str) -> Path:
        """Where prompts or training data of the profile lie."""
        return self._loaded.relative(path)

    def _recipe(self, subject: ModelSubject | DerivedSubject) -> Recipe:
        if isinstance(subject, ModelSubject):
            start = StartModel(subject, self._digest("source", self._files(self.source(subject))))
            return Recipe(start, (), ())
        before = self.of(subject.origin)
        start, stages, adapters = before.start, before.stages, before.adapters
        if subject.abliterate is not None:
            settings = subject.abliterate.model_dump()
            for key in ("harmful", "harmless"):
                file = _prompts(self._loaded, subject, key, settings[key])
                settings[key] = self._store.digest(file)
            made = self._digest("abliterate", before.fingerprint, settings)
            start, stages, adapters = StartModel(subject, made), (), ()
        for stage in subject.lora:
            given = [self._store.digest(f) for f in _examples(self._loaded, subject, stage)]
            settings = stage.model_dump() | {"data": given}
            last = adapters[-1] if adapters else start.fingerprint
            adapters = (*adapters, self._digest("lora", last, settings))
            stages = (*stages, stage)
        return Recipe(start, stages, adapters)

    def _files(self, directory: Path) -> dict[str, str]:
        files = (f for f in directory.iterdir() if f.is_file() and _is_part(f.name))
        return {f.name: self._store.digest(f) for f in sorted(files)}

    def _digest(self, step: str, *parts: Any) -> str:
        """SHA-256 over a step, all that goes into it, and what carries it out."""
        where = "gpu" if machine.accelerated() else "cpu"
        whole = [step, str(self.form), where, code_digest(*CODE[step]), _versions(), *parts]
        text = json.dumps(whole, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


def check(loaded: LoadedProfile) -> None:
    """Raise `BadInput` where a local file or directory that a recipe names is not there."""
    for i, subject in enumerate(loaded.profile.subjects):
        if isinstance(subject, ModelSubject):
            model = subject.model
            is_path = model.startswith((".", "/", "~", SHIPPED))
            if is_path and not loaded.relative(model).is_dir():
                where = f"{loaded.path}: subjects[{i}].model = '{model}'"
                raise BadInput(f"{where}: no such directory; expected one that holds a model")
        if isinstance(subject, DerivedSubject):
            if subject.abliterate is not None:
                for key in ("harmful", "harmless"):
                    _prompts(loaded, subject, key, getattr(subject.abliterate, key))
            for stage in subject.lora:
                _examples(loaded, subject, stage)


def _prompts(loaded: LoadedProfile, subject: DerivedSubject, key: str, path: str) -> Path:
    file = loaded.relative(path)
    if not file.is_file():
        where = f"{loaded.path}: {subject.name}: abliterate.{key} = '{path}'"
        raise BadInput(f"{where}: no such file; expected JSON Lines with id and prompt")
    return file


def _examples(loaded: LoadedProfile, subject: DerivedSubject, stage: Stage) -> list[Path]:
    place = loaded.relative(stage.data)
    files = [place] if place.is_file() else [place / "train.jsonl", place / "valid.jsonl"]
    if not files[0].is_file():
        raise BadInput(
            f"{loaded.path}: {subject.name}: lora.data = '{stage.data}': no such file; expected a "
            "directory with a train.jsonl, or a .jsonl file"
        )
    return [f for f in files if f.is_file()]
