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

from lek import blas, sources
from lek.models.fetch import fetch
from lek.models.weights import Form
from lek.profile import Stage, Subject
from lek.profiles import LoadedProfile
from lek.records import BadInput
from lek.store import Store

_LIBRARIES = ("mlx", "mlx-lm", "transformers", "tokenizers")
_CODE = {
    "source": "models/weights.py",
    "abliterate": "models/abliterate.py",
    "lora": "models/lora.py",
}
_NO_WEIGHTS = {"build.json", "README.md", ".gitattributes"}


@dataclass(frozen=True)
class Ground:
    """A model before any LoRA: the source of ``subject``, or what its abliteration gives."""

    subject: Subject
    fingerprint: str


@dataclass(frozen=True)
class Recipe:
    """How a subject comes about: a ground, and the chain of LoRA stages upon it.

    ``adapters`` are the fingerprints of the adapter after each stage.
    """

    ground: Ground
    stages: tuple[Stage, ...]
    adapters: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """What stands for the subject's weights, tokenizer and numeric form."""
        return self.adapters[-1] if self.adapters else self.ground.fingerprint


class Recipes:
    """The recipes of a profile's subjects."""

    def __init__(self, loaded: LoadedProfile, store: Store) -> None:
        self._loaded, self._store = loaded, store
        self._subjects = {s.name: s for s in loaded.profile.subjects}
        self._of: dict[str, Recipe] = {}

    @cached_property
    def form(self) -> Form:
        """The one numeric form of all subjects, since they are compared.

        All are dequantised if one is: by its own key, by being edited (an edit is never quantised
        anew), or by default on a CPU, where 4 bits are slow. There the default is float32.
        """
        subjects = [s for s in self._subjects.values() if s.recorded is None]
        wanted = next((s for s in subjects if s.dequantize or s.origin is not None), None)
        kept = next((s for s in subjects if s.dequantize is False), None)
        if kept is not None and wanted is not None:
            raise BadInput(
                f"{self._loaded.path}: subject {kept.name}: dequantize = false, but {wanted.name} "
                "is in full precision, and compared subjects have one form; delete the key"
            )
        slow = not blas.accelerated()
        dtype = self._loaded.profile.decoding.dtype or ("float32" if slow else None)
        return Form(dtype, dequantize=wanted is not None or (slow and kept is None))

    def of(self, name: str) -> Recipe:
        """The recipe of subject ``name``. A source that lies on the hub is fetched for it."""
        if name not in self._of:
            self._of[name] = self._recipe(self._subjects[name])
        return self._of[name]

    def describe(self, name: str) -> dict[str, Any]:
        """The recipe as the profile gives it, as plain values."""
        subject = self._subjects[name]
        return subject.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"name"})

    def source(self, subject: Subject) -> Path:
        """Where the model of a source lies; fetched from the hub where it is not there yet."""
        assert subject.model is not None
        place = self._loaded.relative(subject.model)
        return fetch(subject.model, subject.revision, place)

    def data(self, path: str) -> Path:
        """Where prompts or training data of the profile lie."""
        return self._loaded.relative(path)

    def _recipe(self, subject: Subject) -> Recipe:
        if subject.origin is None:
            ground = Ground(subject, self._digest("source", self._files(self.source(subject))))
            return Recipe(ground, (), ())
        before = self.of(subject.origin)
        ground, stages, adapters = before.ground, before.stages, before.adapters
        if subject.abliterate is not None:
            settings = subject.abliterate.model_dump()
            for key in ("harmful", "harmless"):
                settings[key] = self._store.digest(self._file(subject, key, settings[key]))
            made = self._digest("abliterate", before.fingerprint, settings)
            ground, stages, adapters = Ground(subject, made), (), ()
        for stage in subject.lora:
            place = self.data(stage.data)
            files = [place] if place.is_file() else [place / "train.jsonl", place / "valid.jsonl"]
            given = [self._store.digest(f) for f in files if f.is_file()]
            if not given:
                raise BadInput(
                    f"{self._loaded.path}: {subject.name}: lora.data = '{stage.data}': expected a "
                    "directory with a train.jsonl, or a .jsonl file"
                )
            settings = stage.model_dump() | {"data": given}
            last = adapters[-1] if adapters else ground.fingerprint
            adapters = (*adapters, self._digest("lora", last, settings))
            stages = (*stages, stage)
        return Recipe(ground, stages, adapters)

    def _file(self, subject: Subject, key: str, path: str) -> Path:
        file = self.data(path)
        if not file.is_file():
            where = f"{self._loaded.path}: {subject.name}: abliterate.{key} = '{path}'"
            raise BadInput(f"{where}: no such file; expected JSON Lines with id and prompt")
        return file

    def _files(self, directory: Path) -> dict[str, str]:
        files = (f for f in directory.iterdir() if f.is_file() and f.name not in _NO_WEIGHTS)
        return {f.name: self._store.digest(f) for f in sorted(files)}

    def _digest(self, step: str, *parts: Any) -> str:
        """SHA-256 over a step, all that goes into it, and what carries it out."""
        where = "gpu" if blas.accelerated() else "cpu"
        whole = [step, str(self.form), where, sources.digest(_CODE[step]), _versions(), *parts]
        text = json.dumps(whole, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}
