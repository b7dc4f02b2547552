"""Recipes of a profile's subjects, each with a fingerprint of everything that goes into it.

A subject is either a source (a directory, a GGUF file, or a model on the hub) or derived from
another subject: by an abliteration, then LoRA stages. LoRA stages on a subject that itself ends
with LoRA stages continue its adapter. No model is loaded here, and digests of files are cached in
the store.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lek.benchmarks.benchmark import SHIPPED
from lek.errors import BadInput
from lek.models import adapters, chats, machine
from lek.models.checks import Uses, check_model, try_model
from lek.models.gguf import is_gguf
from lek.models.hub import fetch, fetch_description, local
from lek.models.weights import NumericFormat, load, load_without_weights, stored_form
from lek.profile.loading import LoadedProfile
from lek.profile.schema import DerivedSubject, ModelSubject, Profile, Stage
from lek.workspace.fingerprint import code_digest
from lek.workspace.store import Store

_LIBRARIES = ("mlx", "mlx-lm", "transformers", "tokenizers")
# the files that compute each step's result; tests/workspace/test_fingerprint.py checks that none
# is missing
CODE = {
    "source": ("models/weights.py",),
    "gguf": (
        "models/gguf/conversion.py",
        "models/gguf/file.py",
        "models/gguf/architectures.py",
        "models/gguf/tokenizer.py",
    ),
    "abliterate": (
        "models/weights.py",
        "models/corrections.py",
        "models/abliteration/search.py",
        "models/abliteration/directions.py",
        "models/abliteration/projection.py",
        "models/abliteration/effects.py",
        "models/abliteration/batches.py",
        "models/exponentials.py",
        "models/greedy.py",
        "models/hooks.py",
        "models/prefix.py",
        "text/refusals.py",
        "text/refusals.toml",
        "text/degeneration.py",
        "text/sentences.py",
    ),
    "adapter": (
        "models/weights.py",
        "models/corrections.py",
        "models/adapters.py",
        "models/lora.py",
        "models/chats.py",
        "text/encoding.py",
    ),
    "lora": (
        "models/weights.py",
        "models/corrections.py",
        "models/lora.py",
        "models/chats.py",
        "text/encoding.py",
    ),
}
_TRIED_BY = (
    "models/checks.py",
    "models/chats.py",
    "models/chat_template.py",
    "models/weights.py",
    *CODE["gguf"],
)
_MODEL_SUFFIXES = (".json", ".safetensors", ".jinja", ".model", ".tiktoken", ".txt")


def _is_model_file(name: str) -> bool:
    """Whether the file ``name`` of a model directory is part of the model."""
    return name.endswith(_MODEL_SUFFIXES) and name != "build.json" and not name.startswith(".")


@dataclass(frozen=True)
class StartModel:
    """A model before any LoRA stage.

    It is the source of ``subject``, or its origin after an abliteration or with a fused adapter.
    ``fingerprint``: SHA-256 over everything that goes into it.
    """

    subject: ModelSubject | DerivedSubject
    fingerprint: str


@dataclass(frozen=True)
class Recipe:
    """How a subject is made: a start model, and the LoRA stages applied to it in order.

    ``adapters``: the fingerprint of the adapter after each stage.
    """

    start: StartModel
    stages: tuple[Stage, ...]
    adapters: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 that identifies the subject's weights, tokenizer and numeric format."""
        return self.adapters[-1] if self.adapters else self.start.fingerprint


class Recipes:
    """The recipes of a profile's subjects, each computed on first use.

    ``store``: caches the digests of files.
    """

    def __init__(self, loaded: LoadedProfile, store: Store) -> None:
        self._loaded, self._store = loaded, store
        self._subjects = {s.name: s for s in loaded.profile.models}
        self._recipes: dict[str, Recipe] = {}
        self._dated: dict[str, bool] = {}

    @cached_property
    def form(self) -> NumericFormat:
        """The numeric format that all subjects share, as `common_form` says."""
        return common_form(self._loaded.profile, self.stored_form)

    def of(self, name: str) -> Recipe:
        """Return the recipe of subject ``name``; a source on the hub is downloaded for it."""
        if name not in self._recipes:
            self._recipes[name] = self._recipe(self._subjects[name])
        return self._recipes[name]

    def describe(self, name: str) -> dict[str, Any]:
        """Return the recipe of subject ``name`` as the profile gives it, as plain JSON values."""
        subject = self._subjects[name]
        return subject.public_dict(by_alias=True, exclude_none=True, exclude={"name"})

    def dated(self, name: str) -> bool:
        """Whether the chat template of subject ``name`` inserts the date: prompts change daily."""
        source = self._source_of(name)
        if source.name not in self._dated:
            self._dated[source.name] = "strftime_now" in _chat_template(self.source(source))
        return self._dated[source.name]

    def source(self, subject: ModelSubject) -> Path:
        """Return the model directory or GGUF file of a source.

        A model on the hub is downloaded if necessary.
        """
        path = self._loaded.relative(subject.model)
        return path if is_gguf(path) else fetch(subject.model, subject.revision, path)

    def stored_form(self, subject: ModelSubject) -> NumericFormat:
        """Return the numeric format of a source; weights in a GGUF file are dequantised."""
        source = self.source(subject)
        if is_gguf(source):
            from lek.models.gguf import conversion

            return NumericFormat(conversion.stored_dtype(source), dequantize=True)
        return stored_form(source)

    def at_hand(self) -> bool:
        """Whether every source is on this machine, so that recipes need no download."""
        sources = [s for s in self._subjects.values() if isinstance(s, ModelSubject)]
        return all(map(self._is_local, sources))

    def try_sources(self) -> None:
        """Raise `BadInput` if a source on this machine does not serve the subjects made from it.

        Each is tried once in this form, without reading its weights: it is loaded by mlx_lm, a
        prompt is rendered by its chat template, and training examples are tokenized.
        """
        for subject in self._subjects.values():
            if isinstance(subject, ModelSubject) and self._is_local(subject):
                self._try(subject)

    def try_downloads(self, names: Iterable[str]) -> None:
        """Raise `BadInput` if a source of the subjects ``names`` cannot be downloaded or used.

        The files besides weights are downloaded and tried. A source on this machine is left out.
        """
        sources = {source.name: source for source in map(self._source_of, names)}
        for source in sources.values():
            if not self._is_local(source):
                path = self._loaded.relative(source.model)
                description = fetch_description(source.model, source.revision, path)
                check_model(description, **_needs(self._loaded, source), weights=False)
                try_model(load_without_weights(description), self._uses(source), description)

    def _is_local(self, source: ModelSubject) -> bool:
        path = self._loaded.relative(source.model)
        return is_gguf(path) or local(source.model, source.revision, path) is not None

    def _source_of(self, name: str) -> ModelSubject:
        """The source that subject ``name`` is made from, directly or through other subjects."""
        subject = self._subjects[name]
        while isinstance(subject, DerivedSubject):
            subject = self._subjects[subject.origin]
        return subject

    def _try(self, source: ModelSubject) -> None:
        """Try ``source``, unless it has passed with the same files, prompts and training data."""
        uses, path = self._uses(source), self.source(source)
        files = self._store.digest(path) if is_gguf(path) else self._file_digests(path)
        stages = [(s.model_dump(), [f.digest for f in files]) for s, files in uses.stages]
        prompts = uses.prompts, uses.thinking
        key = _sha256([files, prompts, stages, code_digest(*_TRIED_BY), _versions()])
        if self._store.passed(key):
            return
        if is_gguf(path):
            from lek.models.gguf import conversion

            with TemporaryDirectory() as temporary:
                conversion.convert_tokenizer(path, Path(temporary), "float32")
                try_model(load_without_weights(Path(temporary)), uses, path)
        else:
            try_model(load(path, lazy=True), uses, path)
        self._store.put_passed(key)

    def _uses(self, source: ModelSubject) -> Uses:
        """What the subjects that are made from ``source`` need of its tokenizer."""
        made = [source, *_made_from(self._loaded, source)]
        stages = [
            s for subject in made if isinstance(subject, DerivedSubject) for s in subject.lora
        ]
        return Uses(
            prompts=tuple({s.system: None for s in made if s.prompt == "chat"}),
            thinking=self._loaded.profile.decoding.enable_thinking,
            stages=tuple((s, tuple(filter(None, chats.find(self.data(s.data))))) for s in stages),
        )

    def data(self, path: str) -> Path:
        """Return the path of prompts, training data or an adapter that the profile names."""
        return self._loaded.relative(path)

    def same_model(self, name: str) -> str:
        """Return the subject with the weights of ``name`` that is not only asked otherwise."""
        subject = self._subjects[name]
        while isinstance(subject, DerivedSubject) and not subject.is_edited:
            subject = self._subjects[subject.origin]
        return subject.name

    def digest(self, file: Path) -> str:
        """Return the SHA-256 of ``file``."""
        return self._store.digest(file)

    def _recipe(self, subject: ModelSubject | DerivedSubject) -> Recipe:
        if isinstance(subject, ModelSubject):
            return Recipe(StartModel(subject, self._source_fingerprint(subject)), (), ())
        origin = self.of(subject.origin)
        start, stages, trained = origin.start, origin.stages, origin.adapters
        if subject.abliterate is not None:
            settings = subject.abliterate.model_dump()
            for key in ("harmful", "harmless"):
                file = _prompts_file(self._loaded, subject, key, settings[key])
                settings[key] = self._store.digest(file)
            fingerprint = self._digest("abliterate", origin.fingerprint, settings)
            start, stages, trained = StartModel(subject, fingerprint), (), ()
        elif subject.adapter is not None:
            adapter = adapters.files(self.data(subject.adapter))
            files = [self._store.digest(file) for file in adapter]
            fingerprint = self._digest("adapter", origin.fingerprint, files)
            start, stages, trained = StartModel(subject, fingerprint), (), ()
        for stage in subject.lora:
            data = _training_files(self._loaded, subject, stage)
            settings = stage.model_dump() | {"data": [self._store.digest(f) for f in data]}
            previous = trained[-1] if trained else start.fingerprint
            trained = (*trained, self._digest("lora", previous, settings))
            stages = (*stages, stage)
        return Recipe(start, stages, trained)

    def _source_fingerprint(self, subject: ModelSubject) -> str:
        source = self.source(subject)
        if is_gguf(source):
            return self._digest("gguf", self._store.digest(source), version("gguf"))
        return self._digest("source", self._file_digests(source))

    def _file_digests(self, directory: Path) -> dict[str, str]:
        files = (f for f in directory.iterdir() if f.is_file() and _is_model_file(f.name))
        return {f.name: self._store.digest(f) for f in sorted(files)}

    def _digest(self, step: str, *inputs: Any) -> str:
        """SHA-256 over a step, its inputs, and the device, code and libraries that carry it out."""
        device = "gpu" if machine.accelerated() else "cpu"
        parts = [step, str(self.form), device, code_digest(*CODE[step]), _versions(), *inputs]
        return _sha256(parts)


def common_form(
    profile: Profile, stored_form: Callable[[ModelSubject], NumericFormat]
) -> NumericFormat:
    """Return the numeric format that all subjects share, so that they are comparable.

    All are dequantised if any subject has ``dequantize = true``, is edited (an edit is never
    quantised again) or has a source that is not quantised; also by default on a CPU, where 4-bit
    weights are slow. The dtype is the profile's; otherwise float32 on a CPU, and elsewhere the one
    that all sources are stored in, or float32 if they differ. ``stored_form``: returns the format
    of a source; called only if it matters.
    """
    subjects = profile.models
    slow = not machine.accelerated()
    dequantize = any(s.dequantize or s.is_edited for s in subjects)
    dequantize |= slow and not any(s.dequantize is False for s in subjects)
    dtype = profile.decoding.dtype or ("float32" if slow else None)
    if not dequantize or dtype is None:
        stored = [stored_form(s) for s in subjects if isinstance(s, ModelSubject)]
        dequantize |= any(form.dequantize for form in stored)
        types = {form.dtype for form in stored}
        dtype = dtype or (types.pop() if len(types) == 1 else None) or "float32"
    return NumericFormat(dtype, dequantize)


def _chat_template(source: Path) -> str:
    """The files that hold the chat template of a source, as one text."""
    if is_gguf(source):
        from lek.models.gguf import conversion

        return conversion.chat_template(source)
    files = (source / "chat_template.jinja", source / "tokenizer_config.json")
    return "".join(f.read_text(encoding="utf-8") for f in files if f.is_file())


def _sha256(parts: list[Any]) -> str:
    """SHA-256 over plain values, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


def check(loaded: LoadedProfile) -> None:
    """Raise `BadInput` if a file that a recipe names is missing, or a model cannot be loaded.

    Models on the hub are checked if they have been downloaded.
    """
    for i, subject in enumerate(loaded.profile.subjects):
        if isinstance(subject, ModelSubject):
            where = f"{loaded.path}: subjects[{i}]"
            if is_gguf(subject.model):
                _check_gguf(loaded, subject, where)
            elif (directory := _local(loaded, subject, where)) is not None:
                check_model(directory, **_needs(loaded, subject))
        if isinstance(subject, DerivedSubject):
            if subject.abliterate is not None:
                for key in ("harmful", "harmless"):
                    _prompts_file(loaded, subject, key, getattr(subject.abliterate, key))
            if subject.adapter is not None:
                try:
                    adapters.check(loaded.relative(subject.adapter))
                except BadInput as e:
                    raise BadInput(f"{loaded.path}: {subject.name}: adapter: {e}") from e
            for stage in subject.lora:
                _training_files(loaded, subject, stage)
                for examples in chats.find(loaded.relative(stage.data)):
                    if examples is not None:
                        chats.check_form(examples, stage)


def _local(loaded: LoadedProfile, subject: ModelSubject, where: str) -> Path | None:
    """The directory of a source on this machine; ``None`` if the hub has to be asked for it."""
    model = subject.model
    where = f"{where}.model = '{model}'"
    directory = loaded.relative(model)
    if directory.is_dir():
        return directory
    if model.startswith((".", "/", "~", SHIPPED)):
        raise BadInput(f"{where}: no such directory; expected one that holds a model")
    if Path(model).is_dir():
        right = os.path.relpath(model, loaded.path.parent)
        raise BadInput(f"{where}: a path is relative to the profile; write '{right}'")
    return local(model, subject.revision, directory)


def _needs(loaded: LoadedProfile, source: ModelSubject) -> dict[str, bool]:
    """What the subjects that are made from ``source`` need of it, as `check_model` takes it."""
    made = [source, *_made_from(loaded, source)]
    abliterated = any(isinstance(s, DerivedSubject) and s.abliterate for s in made)
    return {"chat": any(s.prompt == "chat" for s in made), "abliterated": abliterated}


def _made_from(loaded: LoadedProfile, source: ModelSubject) -> list[DerivedSubject]:
    """The subjects that are derived from ``source``, directly or through other subjects."""
    derived = [s for s in loaded.profile.models if isinstance(s, DerivedSubject)]
    names, made = {source.name}, list[DerivedSubject]()
    for subject in derived:  # a subject is derived from earlier ones only
        if subject.origin in names:
            names.add(subject.name)
            made.append(subject)
    return made


def _check_gguf(loaded: LoadedProfile, subject: ModelSubject, where: str) -> None:
    path = loaded.relative(subject.model)
    if not path.is_file():
        raise BadInput(f"{where}.model = '{subject.model}': no such file; expected a GGUF file")
    if subject.revision is not None:
        raise BadInput(f"{where}.revision: a local file has no revision; delete the key")
    from lek.models.gguf import conversion

    conversion.check(path)


def _prompts_file(loaded: LoadedProfile, subject: DerivedSubject, key: str, path: str) -> Path:
    file = loaded.relative(path)
    if not file.is_file():
        where = f"{loaded.path}: {subject.name}: abliterate.{key} = '{path}'"
        raise BadInput(f"{where}: no such file; expected JSON Lines with id and prompt")
    return file


def _training_files(loaded: LoadedProfile, subject: DerivedSubject, stage: Stage) -> list[Path]:
    data = loaded.relative(stage.data)
    files = [data] if data.is_file() else [data / "train.jsonl", data / "valid.jsonl"]
    if not files[0].is_file():
        raise BadInput(
            f"{loaded.path}: {subject.name}: lora.data = '{stage.data}': no such file; expected a "
            "directory with a train.jsonl, or a .jsonl file"
        )
    return [f for f in files if f.is_file()]
