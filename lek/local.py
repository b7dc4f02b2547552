"""The settings of a judge in this process -> where its weights lie, what it is, and the judge."""

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from lek.errors import BadInput
from lek.generation.backend import Backend
from lek.models import machine
from lek.profile.loading import LoadedProfile
from lek.profile.schema import Decoding, Local
from lek.workspace.store import Store


class LocalJudge:
    """A model that judges in this process; nothing is fetched or loaded before it is needed."""

    def __init__(
        self, loaded: LoadedProfile, settings: Local, store: Callable[[], Store], *, dry: bool
    ) -> None:
        self._loaded, self._settings = loaded, settings
        self._store, self._dry = store, dry

    @property
    def decoding(self) -> Decoding:
        """How the judge's replies are generated."""
        s = self._settings
        return Decoding(
            max_tokens=s.max_tokens,
            temperature=s.temperature,
            batch_size=s.batch_size,
            memory_gb=s.memory_gb,
        )

    @cached_property
    def place(self) -> Path:
        """Where the weights lie; fetched from the hub where they are not there yet.

        A dry run fetches nothing: `BadInput`.
        """
        from lek.models.hub import fetch, local

        settings = self._settings
        name = settings.model, settings.revision, self._loaded.relative(settings.model)
        if not self._dry:
            return fetch(*name)
        found = local(*name)
        if found is None:
            raise BadInput(f"{settings.model}: not on this machine yet")
        return found

    @cached_property
    def form(self) -> Any:
        """The numeric form: as stored on an accelerator, float32 on a CPU, or the profile's."""
        from lek.models.weights import Form, stored_form

        slow, stored = not machine.accelerated(), stored_form(self.place)
        return Form(
            self._settings.dtype or ("float32" if slow else stored.dtype),
            slow or stored.dequantize,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the files of the model and its form."""
        files = sorted(f for f in self.place.iterdir() if f.is_file() and f.name[0] != ".")
        whole = [str(self.form), {f.name: self._store().digest(f) for f in files}]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()

    def open(self) -> Backend:
        """Load the judge."""
        machine.preload()
        from lek.generation.mlx import MlxBackend

        return MlxBackend.open(self.place, self.form)
