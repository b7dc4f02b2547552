"""A subject's name -> its model, ready to be asked: one is in memory at a time."""

from lek.backends import Backend
from lek.models import machine
from lek.models.build import Builder
from lek.workspace.progress import Progress


class Models:
    """The subjects' models, of which one is in memory at a time."""

    def __init__(self, builder: Builder, progress: Progress) -> None:
        self.builder, self._progress = builder, progress
        self._held: tuple[str, Backend] | None = None
        self._told = False

    def fingerprint(self, subject: str) -> str:
        """The fingerprint of ``subject``; loads nothing."""
        return self.builder.recipes.of(subject).fingerprint

    def backend(self, subject: str) -> Backend:
        """The model of ``subject``, built if need be; any other one is let go first."""
        if self._held is None or self._held[0] != subject:
            self.release()
            self._tell_of_slowness()
            directory = self.builder.directory(subject)
            from lek.backends.mlx import MlxBackend, free

            free()  # of what building it took
            return self.hold(subject, MlxBackend.open(directory, self.builder.recipes.form))
        return self._held[1]

    def _tell_of_slowness(self) -> None:
        lacks = machine.missing()
        if lacks is not None and not self._told:
            self._told = True
            self._progress.say(lacks)

    def hold(self, subject: str, backend: Backend) -> Backend:
        """Keep ``backend`` as the one of ``subject``."""
        self._held = subject, backend
        return backend

    def release(self, subject: str | None = None) -> None:
        """Let go of the model in memory, or only if it is that of ``subject``."""
        if self._held is not None and subject in (None, self._held[0]):
            self._held = None
            from lek.backends.mlx import free

            free()
