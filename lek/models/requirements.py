"""Check what a profile needs, for `lek doctor`: models, memory, disk, the hub, keys.

Nothing is downloaded or built. Requests to the hub have short time limits.
"""

import fnmatch
import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lek.data.sources import case_source
from lek.errors import BadInput
from lek.models import hub, machine, recipes
from lek.models.gguf import is_gguf
from lek.models.machine import Finding
from lek.models.weights import NumericFormat, header_of, numeric_format, read_config
from lek.profile.loading import LoadedProfile
from lek.profile.schema import JUDGE_KINDS, APIJudgeSettings, DerivedSubject, ModelSubject
from lek.providers.endpoint import client_of
from lek.providers.redaction import one_line, redact
from lek.providers.request import call_with_timeout

_SECONDS = 3.0  # until one request to the hub is given up
_ALL_SECONDS = 6.0  # until no further request is made
_ROOM = 1.5  # memory for a model, relative to its weights: activations, keys and values, saving
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")  # variables of the hub's client
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_T = TypeVar("_T")


def examine(loaded: LoadedProfile | None) -> Iterator[Finding]:
    """Compare the machine with what the profile needs; without a profile, only look at the disk.

    An environment that is broken in an unforeseen way gives a finding too, not an exception.
    """
    try:
        import huggingface_hub.constants  # noqa: F401 (reads variables of the environment)
    except Exception as e:
        text = f"huggingface_hub cannot be imported: {_error(e, None)}; correct its HF_ variables"
        yield Finding("missing", "hub", text)
        return
    if loaded is None:
        yield from _safely("disk", lambda: _disk({}))
        text = "none in the configuration of pytest here; name one to check its models, hub, keys"
        yield Finding("unknown", "profile", text)
        return
    yield Finding("ok", "profile", f"{loaded.name} ({loaded.path})")
    requirements = _Requirements(loaded)
    yield from _safely("hub", requirements.hub_access)
    yield from _safely("token", requirements.token)
    yield from _safely("model", requirements.models)
    yield from _safely("memory", requirements.memory)
    yield from _safely("disk", requirements.disk)
    yield from _safely("key", requirements.keys)


def _safely(about: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of ``check``; an unforeseen exception is the last of them."""
    try:
        yield from check()
    except Exception as e:  # a report on a broken environment must not break itself
        yield Finding("unknown", about, f"cannot be checked: {_error(e, None)}")


class _Source(NamedTuple):
    """A model that the profile names. ``name``: of the subject, or ``judge mlx``."""

    name: str
    model: str
    revision: str | None


@dataclass(frozen=True)
class _Size:
    """The size of a model.

    ``form``: the numeric format in which it is stored. ``parameters``: their number, or ``None`` if
    it is not known. ``weights``: bytes of its weights as stored. ``download``: bytes to download.
    """

    form: NumericFormat
    parameters: int | None
    weights: int
    download: int = 0
    gguf: bool = False

    def converted(self, form: NumericFormat) -> int | None:
        """The bytes of the weights in ``form``; ``None`` if they are not known."""
        if not form.dequantize:
            return self.weights
        dtype = form.dtype or "float32"
        return None if self.parameters is None else self.parameters * _BYTES[dtype]


class _Unknown(Exception):
    """A size cannot be determined; the message says why."""


class _Requirements:
    """The requirements of a profile, each determined when it is first needed."""

    def __init__(self, loaded: LoadedProfile) -> None:
        self._loaded = loaded
        self._end = time.monotonic() + _ALL_SECONDS
        self._infos: dict[_Source, Any] = {}

    def hub_access(self) -> Iterator[Finding]:
        """Whether the hub can be reached, if the profile names anything on it."""
        if not self._uses_hub:
            yield Finding("ok", "hub", "not needed: all models and data of the profile are local")
        elif self._unreachable is None:
            yield Finding("ok", "hub", f"{self._endpoint} answers")
        elif self._missing:
            yield Finding("missing", "hub", f"{self._unreachable}; models are to be downloaded")
        elif self._data_sets:
            text = f"{self._unreachable}; only data sets that were downloaded earlier can be used"
            yield Finding("unknown", "hub", text)
        else:
            text = f"{self._unreachable}; the models of the profile are on this machine"
            yield Finding("ok", "hub", text)

    def token(self) -> Iterator[Finding]:
        """Whether there is a token for the hub, and whether the hub accepts it."""
        if not self._uses_hub:
            return
        if isinstance(self._found_token, Exception):
            text = f"cannot be determined: {_error(self._found_token, None)}"
            yield Finding("unknown", "token", text)
        elif self._token is None:
            gated = sorted({s.model for s in self._missing if self._is_gated(s)})
            if gated:
                text = f"none, but {', '.join(gated)} is given only to users who accepted its terms"
                yield Finding("missing", "token", f"{text}; accept them, then 'hf auth login'")
            else:
                text = "none; only gated models and data sets need one ('hf auth login')"
                yield Finding("ok", "token", text)
        elif self._unreachable is not None:
            yield Finding("unknown", "token", "present; the hub was not asked whether it is valid")
        else:
            yield self._validity(self._token)

    def _validity(self, token: str) -> Finding:
        from huggingface_hub import whoami

        try:
            name = one_line(self._ask(lambda: whoami(token))["name"], token)
            return Finding("ok", "token", f"accepted by the hub, user {name}")
        except Exception as e:  # of the HTTP library, or an answer of another form
            if _status(e) in (401, 403):
                text = (
                    f"rejected by the hub (HTTP {_status(e)}); correct HF_TOKEN, or 'hf auth login'"
                )
                return Finding("missing", "token", text)
            text = f"present; the hub did not say whether it is valid ({_error(e, token)})"
            return Finding("unknown", "token", text)

    def models(self) -> Iterator[Finding]:
        """Whether the files of the models and of their training data are there and complete."""
        try:
            recipes.check(self._loaded)
        except BadInput as e:
            yield Finding("missing", "model", str(e))
        if not self._sources:
            served = bool(self._loaded.profile.served)
            text = "answers are recorded" + (", or requested from servers" if served else "")
            yield Finding("ok", "model", f"none: {text}")
        for source in self._sources:
            where = f"{source.name}: {source.model}"
            try:
                size = self._size(source)
            except BadInput as e:
                yield Finding("missing", "model", f"{source.name}: {e}")
            except _Unknown as e:
                missing = self._unreachable or _status(e.__cause__) in (401, 403, 404)
                yield Finding("missing" if missing else "unknown", "model", f"{where}, {e}")
            else:
                download = f", {_in_bytes(size.download)} to download" if size.download else ""
                yield Finding("ok", "model", f"{where}{download}")

    def memory(self) -> Iterator[Finding]:
        """Whether the largest model fits into memory; one is loaded at a time."""
        sizes = [(self._loaded_size(source), source) for source in self._sources]
        unknown = [source.name for size, source in sizes if size is None]
        if unknown:
            text = f"not known for {', '.join(unknown)}, since the size of the weights is not"
            yield Finding("unknown", "memory", text)
        known = [(size, source) for size, source in sizes if size is not None]
        if not known:
            return
        weights, source = max(known)
        form, need = self._form(source), int(weights * _ROOM)
        total, available = machine.memory()
        text = (
            f"{source.name} in {form}: {_in_bytes(weights)} of weights, about {_in_bytes(need)} "
            f"needed, {_in_bytes(available)} of {_in_bytes(total)} available"
        )
        if need > total:
            yield Finding("missing", "memory", f"{text}; use a smaller model")
        elif need > available:
            yield Finding("slow", "memory", f"{text}; end other programs")
        else:
            yield Finding("ok", "memory", text)

    def disk(self) -> Iterator[Finding]:
        """Whether there is space for downloads, and for models that are converted or edited."""
        needs, unknown = {_WORKSPACE: 0, _CACHE: 0}, []
        for source in self._sources:
            converted = self._loaded_size(source)
            if converted is None:
                unknown.append(source.name)
                continue
            size = self._size(source)
            needs[_CACHE] += size.download
            needs[_WORKSPACE] += converted * self._copies(source, size)
        yield from _disk(needs, unknown)

    def keys(self) -> Iterator[Finding]:
        """Whether the keys and client libraries of the judges are there. No key is shown."""
        judges = self._loaded.profile.judges
        used = {judges.of(name) for name in self._loaded.benchmarks}
        for kind in JUDGE_KINDS:
            settings = judges.settings(kind)
            if not isinstance(settings, APIJudgeSettings):
                continue
            state: Any = "missing" if kind in used else "ok"
            why = f"the judge {kind} needs it" if kind in used else f"only for --lek-judge {kind}"
            if settings.key is not None and os.environ.get(settings.key, "").strip():
                yield Finding("ok", "key", f"{settings.key} is set, for the judge {kind}")
            elif settings.key is not None:
                yield Finding(state, "key", f"{settings.key} is not set; {why}")
            if client_of(kind, settings) is None:
                extra = JUDGE_KINDS[kind].clients[0].extra
                text = f"{kind}: no client library; {why}: pip install 'lek[{extra}]'"
                yield Finding(state, "judge", text)
        for name, served in self._loaded.profile.served.items():
            if served.key is None:
                continue
            if os.environ.get(served.key, "").strip():
                yield Finding("ok", "key", f"{served.key} is set, for the subject {name}")
            else:
                text = f"{served.key} is not set; the subject {name} needs it"
                yield Finding("missing", "key", text)

    @cached_property
    def _sources(self) -> list[_Source]:
        profile = self._loaded.profile
        sources = [
            _Source(s.name, s.model, s.revision)
            for s in profile.models
            if isinstance(s, ModelSubject)
        ]
        judge = profile.judges.mlx
        if judge and any(profile.judges.of(name) == "mlx" for name in self._loaded.benchmarks):
            sources.append(_Source("judge mlx", judge.model, judge.revision))
        return sources

    @cached_property
    def _on_hub(self) -> list[_Source]:
        """The sources that are names on the hub."""
        return [
            s
            for s in self._sources
            if not is_gguf(s.model) and not self._loaded.relative(s.model).is_dir()
        ]

    @cached_property
    def _missing(self) -> list[_Source]:
        """The sources on the hub that are not on this machine."""
        return [s for s in self._on_hub if self._local(s) is None]

    def _local(self, source: _Source) -> Path | None:
        """The file or directory of ``source`` on this machine."""
        path = self._loaded.relative(source.model)
        if is_gguf(path):
            return path
        try:
            return hub.local(source.model, source.revision, path)
        except BadInput:  # no name on the hub; reported by `models`
            return path

    @cached_property
    def _data_sets(self) -> bool:
        """Whether cases of a benchmark are a data set of the hub."""
        loaded = self._loaded
        directory = loaded.relative(loaded.profile.data.dir) if loaded.profile.data.dir else None
        sources = [case_source(loaded, b, directory) for b in loaded.benchmarks.values()]
        return any(source is not None and source.dataset is not None for source in sources)

    @property
    def _uses_hub(self) -> bool:
        return bool(self._on_hub) or self._data_sets

    @cached_property
    def _found_token(self) -> str | Exception | None:
        """The token for the hub, or why it cannot be determined."""
        from huggingface_hub import get_token

        try:
            token: str | None = call_with_timeout(_SECONDS, get_token)  # it may ask a server
            return token
        except Exception as e:  # an unreadable file, or of that server
            return e

    @property
    def _token(self) -> str | None:
        return self._found_token if isinstance(self._found_token, str) else None

    @property
    def _endpoint(self) -> str:
        from huggingface_hub.constants import ENDPOINT

        return one_line(ENDPOINT, self._token)

    @cached_property
    def _unreachable(self) -> str | None:
        """Why the hub cannot be asked; ``None`` if it can."""
        from huggingface_hub import constants
        from huggingface_hub.utils import get_session

        if constants.HF_HUB_OFFLINE:
            return "HF_HUB_OFFLINE is set"
        try:
            self._ask(lambda: get_session().head(constants.ENDPOINT, timeout=_SECONDS))
        except Exception as e:  # of the HTTP library, or of its settings in the environment
            return f"{self._endpoint} cannot be reached ({_error(e, self._token)})"
        return None

    def _ask(self, request: Callable[[], _T]) -> _T:
        """The result of ``request``, which sends a request to the hub."""
        left = min(_SECONDS, self._end - time.monotonic())
        if left <= 0:
            raise TimeoutError("the hub is too slow")
        return call_with_timeout(left, request)

    def _info(self, source: _Source) -> Any:
        """What the hub says about ``source``. Raises `_Unknown`, or `BadInput`."""
        if self._unreachable is not None:
            raise _Unknown("not on this machine, and the hub cannot be asked")
        if source not in self._infos:
            from huggingface_hub import HfApi

            def request() -> Any:
                return HfApi().model_info(
                    source.model, revision=source.revision, files_metadata=True, timeout=_SECONDS
                )

            try:
                self._infos[source] = self._ask(request)
            except Exception as e:
                self._infos[source] = e
        info = self._infos[source]
        if isinstance(info, Exception):
            hint = "; check the name, or log in" if _status(info) in (401, 403, 404) else ""
            raise _Unknown(
                f"of which the hub gives no information ({_error(info, self._token)}){hint}"
            ) from info
        return info

    def _is_gated(self, source: _Source) -> bool:
        try:
            return bool(self._info(source).gated)
        except _Unknown:
            return False

    def _size(self, source: _Source) -> _Size:
        path = self._local(source)
        if path is None:
            return _size_on_hub(self._info(source))
        return _size_of_gguf(path) if is_gguf(path) else _size_of_directory(path)

    def _loaded_size(self, source: _Source) -> int | None:
        """The bytes of the weights as they are loaded; ``None`` if they are not known."""
        try:
            return self._size(source).converted(self._form(source))
        except (BadInput, _Unknown):  # `models` says why
            return None

    def _form(self, source: _Source) -> NumericFormat:
        """The numeric format in which ``source`` is loaded."""
        profile = self._loaded.profile
        if source.name in profile.subject_names:
            by_name = {s.name: s for s in self._sources}
            return recipes.common_form(profile, lambda s: self._size(by_name[s.name]).form)
        assert profile.judges.mlx is not None
        dtype, slow = profile.judges.mlx.dtype, not machine.accelerated()
        stored = self._size(source).form
        return NumericFormat(
            dtype or ("float32" if slow else stored.dtype), slow or stored.dequantize
        )

    def _copies(self, source: _Source, size: _Size) -> int:
        """How many models of this size are written to ``.lek``."""
        models = self._loaded.profile.models
        if source.name not in self._loaded.profile.subject_names:
            return 0
        form = self._form(source)
        unchanged = (
            form.dtype in (None, size.form.dtype) and form.dequantize <= size.form.dequantize
        )
        copies, made = int(size.gguf or not unchanged), {source.name}
        for subject in models:
            if isinstance(subject, DerivedSubject) and subject.origin in made:
                made.add(subject.name)
                copies += bool(subject.abliterate or subject.adapter) + bool(subject.lora)
        return copies


def _size_of_directory(directory: Path) -> _Size:
    config = read_config(directory)
    files = sorted(directory.glob("model*.safetensors"))
    values: Counter[str] = Counter()
    for file in files:
        for tensor in header_of(file).values():
            values[tensor["dtype"]] += math.prod(tensor["shape"])
    quantisation = config.get("quantization") or config.get("quantization_config")
    weights = sum(file.stat().st_size for file in files)
    return _Size(*_form_and_parameters(values, quantisation), weights)


def _size_of_gguf(path: Path) -> _Size:
    from lek.models.gguf import conversion
    from lek.models.gguf.file import read

    tensors = read(path).tensors.values()
    parameters = sum(math.prod(tensor.shape) for tensor in tensors)
    form = NumericFormat(conversion.stored_dtype(path), dequantize=True)
    return _Size(form, parameters, path.stat().st_size, gguf=True)


def _size_on_hub(info: Any) -> _Size:
    """The size of a model of which ``info`` is what the hub says."""
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    files = {n: s for n, s in sizes.items() if any(fnmatch.fnmatch(n, p) for p in hub.PATTERNS)}
    weights = [size for name, size in files.items() if name.endswith(".safetensors")]
    if not weights or None in files.values():
        raise _Unknown("of which the hub lists no safetensors files with their sizes")
    values = info.safetensors.parameters if info.safetensors else {}
    quantisation = (info.config or {}).get("quantization_config")
    form, parameters = _form_and_parameters(values, quantisation)
    return _Size(form, parameters, sum(weights), sum(files.values()))


def _form_and_parameters(
    values: Mapping[str, int], quantisation: Any
) -> tuple[NumericFormat, int | None]:
    """The numeric format and number of parameters of weights.

    ``values``: the number of values by type of safetensors. ``quantisation``: the table in the
    config; quantised parameters are packed into integers of 32 bits.
    """
    form = numeric_format(values, bool(quantisation))
    if not quantisation:
        return form, sum(values.values()) or None
    bits = quantisation.get("bits") if isinstance(quantisation, dict) else None
    if not isinstance(bits, int) or bits < 1:
        return form, None
    packed = values.get("U32", 0) * 32 // bits
    return form, sum(n for kind, n in values.items() if kind != "U32") + packed


_WORKSPACE, _CACHE = ".lek", "the hub's cache"


def _disk(needs: Mapping[str, int], unknown: Sequence[str] = ()) -> Iterator[Finding]:
    """The free space for the workspace and for the hub's cache, compared with ``needs`` in bytes.

    ``unknown``: the models whose needs are not known. One finding if both are on one file system.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    places: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for name, place in ((_WORKSPACE, Path(_WORKSPACE).absolute()), (_CACHE, Path(HF_HUB_CACHE))):
        existing = next(p for p in (place, *place.parents) if p.exists())
        device = existing.stat().st_dev
        places.setdefault(device, []).append(name)
        free[device] = shutil.disk_usage(existing).free
    for device, names in places.items():
        need = sum(needs.get(name, 0) for name in names)
        text = f"{_in_bytes(free[device])} free for {' and '.join(names)}"
        if need or (needs and not unknown):
            text += f", at most {_in_bytes(need)} needed"
        if unknown:
            text += f"; not known what {', '.join(unknown)} needs"
        if need > free[device]:
            advice = "free some, or set HF_HOME to another disk" if _CACHE in names else "free some"
            yield Finding("missing", "disk", f"{text}; {advice}")
        else:
            yield Finding("unknown" if unknown else "ok", "disk", text)


def _in_bytes(size: int) -> str:
    """``size`` in GB or MB."""
    if size >= 1e9:
        return f"{size / 1e9:.{0 if size >= 10e9 else 1}f} GB"
    return f"{size / 1e6:.{0 if size >= 10e6 else 1}f} MB"


def _error(error: BaseException, token: str | None) -> str:
    """An ``error`` of the hub's client, or another one, as one line without the ``token``."""
    status = _status(error)
    if status is not None:
        return f"HTTP {status}"
    text = f"{type(error).__name__}: {error}"
    for secret in (token, *map(os.environ.get, _TOKENS)):
        text = redact(text, secret)
    return one_line(text, None)


def _status(error: BaseException | None) -> int | None:
    """The HTTP status in an error of the hub's client; ``None`` for other errors."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
