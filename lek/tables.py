"""The form of every table of a profile: frozen, strict, without unknown keys."""

from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """One table of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def told(self, **how: Any) -> dict[str, Any]:
        """The table as plain values, for others to read: no absolute path, but its last part.

        ``how`` is for ``model_dump``. What a fingerprint covers is not taken from here.
        """
        return {k: _placeless(v) for k, v in self.model_dump(mode="json", **how).items()}


def _placeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _placeless(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_placeless(v) for v in value]
    return PurePath(value).name if isinstance(value, str) and value[:1] in ("/", "~") else value
