"""Profile schema: the tables and keys of a profile, with types and defaults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from lek.benchmarks.benchmark import Benchmark, CaseSource, Suitable, columns_of, shipped
from lek.errors import suggestion


class Section(BaseModel):
    """One table of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def public_dict(self, **how: Any) -> dict[str, Any]:
        """The table as plain values, with absolute paths reduced to their last part.

        ``how``: arguments for ``model_dump``. Not for fingerprints, which need the full paths.
        """
        return {k: without_directories(v) for k, v in self.model_dump(mode="json", **how).items()}


def without_directories(value: Any) -> Any:
    """``value``, of JSON, with absolute paths reduced to their last part."""
    if isinstance(value, dict):
        return {k: without_directories(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_directories(v) for v in value]
    return PurePath(value).name if isinstance(value, str) and value[:1] in ("/", "~") else value


Dtype = Literal["float32", "bfloat16", "float16"]


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd (so that the median is one of the votes)")
    return value


_PORTS = {"http": 80, "https": 443}


def _address(value: str) -> str:
    """``value`` with a lower-case host, and without the default port and slashes at the end.

    So all spellings of an address are one judge.
    """
    try:
        parts = urlsplit(value)
        port, valid = parts.port, parts.scheme in _PORTS and parts.port != 0
    except ValueError:  # for example, the port is not a number
        valid = False
    host, path = (parts.hostname or "", parts.path.rstrip("/")) if valid else ("", "")
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", host) or not re.fullmatch(r"[!-~]*", path):
        raise ValueError("must be an address such as http://127.0.0.1:8080/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "must contain no key or query; set 'key' to the name of the key's variable"
        )
    host = f"[{host}]" if ":" in host else host
    suffix = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}{path}"


Url = Annotated[str, AfterValidator(_address)]


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, such as MY_KEY")
    return value


Variable = Annotated[str, AfterValidator(_variable)]


class RecordedSettings(Section):
    """Settings of the judge that uses verdicts recorded in the data.

    ``empty``: whether a recorded verdict on an empty answer counts (``score``, as in the published
    tables) or not (``unscored``).
    """

    empty: Literal["score", "unscored"] = "unscored"


class ReferenceSettings(Section):
    """Settings of the judge that compares with a case's reference answers.

    ``floor``: the minimum similarity (0 to 1) at which an answer matches a reference answer.
    """

    floor: Annotated[float, Field(ge=0, le=1)] = 0.9


def _model(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("must be the name of a model, without spaces before or after it")
    return value


def _gemini_model(value: str) -> str:
    if not re.fullmatch(r"(models/|tunedModels/)?[A-Za-z0-9_][A-Za-z0-9_.-]*", value):
        raise ValueError("must be a name such as gemini-2.0-flash, without spaces")
    return value.removeprefix("models/")


def _temperature(value: Any) -> float | None:
    if value is None or value == "default":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 2:
        return float(value)
    raise ValueError("must be a number from 0 to 2, or 'default' to leave it to the API")


class LLMJudgeSettings(Section):
    """Settings of all LLM judges.

    ``temperature``: ``None`` (in TOML ``"default"``) if it is not sent, for models that accept only
    their default. ``votes``: how often each answer is judged; the score is the median.
    ``max_tokens``: maximum length of a reply, including thinking.
    """

    # The settings that influence a vote, unlike the number of votes, rate limits and prices.
    DECIDE: ClassVar = {
        "model", "temperature", "max_tokens", "base_url", "structured", "revision", "dtype"
    }  # fmt: skip

    model: Annotated[str, Field(min_length=1), AfterValidator(_model)]
    temperature: Annotated[float | None, BeforeValidator(_temperature)] = 0.1
    max_tokens: Annotated[int, Field(ge=16, le=1_000_000)] = 2048
    votes: Annotated[int, Field(ge=1, le=99), AfterValidator(_odd)] = 1

    def deciding(self) -> dict[str, Any]:
        """The settings that influence a vote, which are part of its key in the store."""
        return self.model_dump(mode="json", include=self.DECIDE)


class APISettings(Section):
    """Settings of a model behind an API, which judges or is a subject.

    ``key``: name of the environment variable that holds the API key. ``client``: client library.
    ``concurrency``: maximum number of simultaneous requests. ``rpm``: maximum requests per minute.
    ``timeout``: seconds until a request is aborted. ``attempts``: maximum attempts per question.
    Prices are per million tokens, in ``currency``.
    """

    model: Annotated[str, Field(min_length=1), AfterValidator(_model)]
    key: Variable | None = None
    client: str | None = None
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    rpm: Annotated[float | None, Field(ge=0.01, le=1e6)] = None
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=20)] = 6
    input_price: Annotated[float | None, Field(ge=0, le=1e6)] = None
    output_price: Annotated[float | None, Field(ge=0, le=1e6)] = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


class ChatSettings(APISettings):
    """Settings of an endpoint with OpenAI's chat completions API.

    ``token_limit``: the name of the parameter in which the token limit is sent (default:
    ``max_completion_tokens`` to OpenAI itself, whose newer models refuse the other one, and
    ``max_tokens`` to all others).
    """

    base_url: Url
    client: Literal["openai"] | None = None
    token_limit: Literal["max_tokens", "max_completion_tokens"] | None = None


class ServedSettings(ChatSettings):
    """Settings of a subject that is served. The defaults allow for large models."""

    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    timeout: Annotated[float, Field(gt=0, le=3600)] = 600.0


class APIJudgeSettings(APISettings, LLMJudgeSettings):
    """Settings of a judge behind an API."""


class GeminiSettings(APIJudgeSettings):
    """Settings for Google's API, with either client library (default: the installed one)."""

    model: Annotated[str, AfterValidator(_gemini_model)]
    key: Variable | None = "GEMINI_API_KEY"
    base_url: Url | None = None
    client: Literal["google-generativeai", "google-genai"] | None = None


class OpenAISettings(ChatSettings, APIJudgeSettings):
    """Settings of a judge at a local or hosted endpoint with OpenAI's chat completions API.

    ``structured``: the ``response_format`` that the endpoint supports.
    """

    structured: Literal["json_schema", "json_object", "none"] = "json_schema"


class LocalJudgeSettings(LLMJudgeSettings):
    """Settings of a judge model that runs in this process, in batches.

    ``model``: a directory (relative to the profile), or a name on the Hugging Face hub.
    ``memory_gb``: as in `Decoding`.
    """

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.1
    revision: str | None = None
    batch_size: Annotated[int, Field(ge=1)] = 16
    memory_gb: Annotated[float | None, Field(gt=0)] = None
    dtype: Dtype | None = None


NONE = "none"  # no judge: only measures that need none are scored


@dataclass(frozen=True, slots=True)
class Client:
    """A client library: its package, module, extra of ours that installs it, and endpoint class.

    ``form``: the form in which it sends questions, where that is not the usual one of its API. It
    is part of the key of votes.
    """

    package: str
    module: str
    extra: str
    endpoint: str
    form: str | None = None


@dataclass(frozen=True, slots=True)
class JudgeKind:
    """A kind of judge that a profile can name.

    ``suitable``: the entry in a benchmark's ``judges`` that allows this kind. ``settings``: the
    model of its table in the profile, which an LLM judge requires. ``clients``: client libraries,
    of which one must be installed, in order of preference.
    """

    name: str
    suitable: Suitable
    settings: type[Section] | None = None
    clients: tuple[Client, ...] = ()

    @property
    def is_llm(self) -> bool:
        """Whether it is a language model that follows rubrics."""
        return self.suitable == "llm"

    def suits(self, benchmark: Benchmark) -> bool:
        """Whether this kind can judge ``benchmark``."""
        return self.suitable in benchmark.judges


JUDGE_KINDS: Mapping[str, JudgeKind] = {
    kind.name: kind
    for kind in (
        JudgeKind("recorded", "recorded", RecordedSettings),
        JudgeKind("reference", "reference", ReferenceSettings),
        JudgeKind("exact", "exact"),
        JudgeKind(
            "gemini",
            "llm",
            GeminiSettings,
            (
                Client(
                    "google-generativeai",
                    "google.generativeai",
                    "gemini",
                    "lek.providers.gemini:GeminiEndpoint",
                ),
                Client(
                    "google-genai",
                    "google.genai",
                    "genai",
                    "lek.providers.genai:GenaiEndpoint",
                    "responseJsonSchema",  # with bounds, which google-generativeai cannot send
                ),
            ),
        ),
        JudgeKind(
            "openai",
            "llm",
            OpenAISettings,
            (Client("openai", "openai", "openai", "lek.providers.openai:OpenAIEndpoint"),),
        ),
        JudgeKind("mlx", "llm", LocalJudgeSettings),
    )
}


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]


class ColumnConfig(Section):
    """A column of a table; for the keys see `lek.benchmarks.benchmark.Column`."""

    column: str
    after: str | None = None
    label: int | None = None


class CasesConfig(Section):
    """The cases of one benchmark: files at ``path``, or a ``dataset`` on the Hugging Face hub.

    ``path``: a file or a directory, relative to the profile. ``dataset``: ``owner/name``, with
    ``config``, ``split`` and ``revision``. ``columns``: the columns by the name of the case's field
    (``id``, ``prompt``, or a field of the benchmark).
    """

    path: str | None = None
    dataset: str | None = None
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    columns: dict[str, str | ColumnConfig] = {}

    @property
    def source(self) -> CaseSource:
        """The source, with the path as it is written."""
        columns = columns_of(self.columns)
        return CaseSource(self.path, self.dataset, self.config, self.split, self.revision, columns)


class Data(Section):
    """The benchmarks to use, and where their cases are.

    ``source``: ``hub`` loads the data set that each benchmark names; ``path`` is a directory with a
    file of cases per benchmark, such as ``<benchmark>.jsonl``; ``lem`` also has recorded answers
    and verdicts. ``benchmarks``: names of shipped benchmarks, or paths (relative to the profile) of
    directories with a ``benchmark.toml``. ``scores``: the file of recorded verdicts there (default:
    ``standard_scores.json``); if it is named, the answers need not be there, and only recorded
    measures are evaluated. ``shuffle_seed``: seed for shuffling the cases (default:
    not shuffled). Further keys are names of benchmarks, each with a table of its own source.
    """

    model_config = ConfigDict(extra="allow")  # for names of benchmarks, checked by `check`
    __pydantic_extra__: dict[str, CasesConfig] = Field(init=False)

    source: Literal["lem", "path", "hub"]
    dir: str | None = None
    scores: str | None = None
    benchmarks: tuple[str, ...] = Field(default_factory=lambda: tuple(shipped()))
    shuffle_seed: int | None = None

    @property
    def cases(self) -> dict[str, CasesConfig]:
        """The sources of single benchmarks, by name."""
        return self.__pydantic_extra__ or {}


class Abliterate(Section):
    """Settings for removing the refusal direction of a model (Arditi et al. 2024).

    ``harmful``, ``harmless``: JSON Lines files with ``id`` and ``prompt``. ``max_kl``: upper bound
    of the answer-token KL divergence on harmless prompts, in nats. ``ridge``: λ of the projector.
    """

    harmful: str
    harmless: str
    max_kl: Annotated[float, Field(gt=0)] = 0.1
    ridge: Annotated[float, Field(gt=0)] = 0.01
    max_tokens: Annotated[int, Field(ge=1)] = 32
    seed: int = 0


class Stage(Section):
    """One LoRA fine-tuning (Hu et al. 2021). The defaults are those of the published LEK models.

    ``data``: a directory with ``train.jsonl`` (and ``valid.jsonl``), or one ``.jsonl`` file of
    chats, completions or texts. ``layers``: number of layers, counted from the last one; -1 for
    all.
    """

    data: str
    iters: Annotated[int, Field(ge=1)] = 200
    batch_size: Annotated[int, Field(ge=1)] = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    mask_prompt: bool = True
    layers: Annotated[int, Field(ge=-1)] = -1
    rank: Annotated[int, Field(ge=1)] = 8
    scale: Annotated[float, Field(gt=0)] = 20.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    save_every: Annotated[int, Field(ge=1)] = 50
    max_seq_length: Annotated[int, Field(ge=2)] = 2048
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class RecordedSubject(Section):
    """A subject with answers in the data, recorded under the model name ``recorded``."""

    name: Name
    recorded: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class AskedSubject(Section):
    """Settings of all subjects that are asked, unlike those with recorded answers.

    ``prompt``: ``plain`` for a model without a chat template. ``system``: a system message before
    each prompt. ``kernel``: whether each prompt is asked under the ethical kernel.
    """

    name: Name
    prompt: Literal["chat", "plain"] = "chat"
    system: Annotated[str, Field(min_length=1)] | None = None
    kernel: bool | None = None


def _chat(value: str) -> str:
    if value != "chat":
        raise ValueError("a served model is asked through chat completions; delete the key")
    return value


class ServedSubject(AskedSubject):
    """A model that is served at an address with OpenAI's API, on this machine or others."""

    openai: ServedSettings
    prompt: Annotated[Literal["chat", "plain"], AfterValidator(_chat)] = "chat"


class BuiltSubject(AskedSubject):
    """Settings of all subjects that are models in this process.

    ``dequantize``: whether to convert quantised weights to full precision (default: if necessary).
    """

    dequantize: bool | None = None

    @property
    def is_edited(self) -> bool:
        """Whether its weights differ from those of the model that it is made from."""
        return False


class ModelSubject(BuiltSubject):
    """An unmodified model: a directory, or a name on the Hugging Face hub at ``revision``."""

    model: str
    revision: str | None = None


class DerivedSubject(BuiltSubject):
    """A model derived from the subject ``from``.

    First by ``abliterate``, or by fusing ``adapter``, a directory that ``mlx_lm.lora`` has written;
    then by the stages of ``lora``. If that subject was itself derived by ``lora`` and nothing comes
    before the stages, they continue training its adapter. Without any of these it is the same
    model, asked with another ``system`` message or under the kernel; so it may be a served one.
    """

    origin: Annotated[Name, Field(alias="from")]
    abliterate: Abliterate | None = None
    adapter: str | None = None
    lora: tuple[Stage, ...] = ()

    @property
    def is_edited(self) -> bool:
        """Whether its weights differ from those of the subject that it is derived from."""
        return bool(self.abliterate or self.adapter or self.lora)


SUBJECT_KINDS: Mapping[str, type[Section]] = {
    "recorded": RecordedSubject,
    "model": ModelSubject,
    "from": DerivedSubject,
    "openai": ServedSubject,
}


def _origin(value: Any) -> str | None:
    """The kind of a subject: the key of `SUBJECT_KINDS` that it has."""
    if isinstance(value, dict):
        return next((key for key in SUBJECT_KINDS if key in value), None)
    return next((key for key, kind in SUBJECT_KINDS.items() if isinstance(value, kind)), None)


def _one_origin(value: Any) -> Any:
    """Raise `ValueError` unless ``value`` has exactly one key of `SUBJECT_KINDS`."""
    if isinstance(value, dict):
        keys = [key for key in SUBJECT_KINDS if key in value]
        if len(keys) > 1:
            raise ValueError(f"has {' and '.join(keys)}; give one of {', '.join(SUBJECT_KINDS)}")
        if not keys:
            hints = (f"; {k}: unknown key{s}" for k in value if (s := suggestion(k, SUBJECT_KINDS)))
            raise ValueError(f"has none of {', '.join(SUBJECT_KINDS)}{next(hints, '; give one')}")
    return value


SubjectConfig = Annotated[
    Annotated[RecordedSubject, Tag("recorded")]
    | Annotated[ModelSubject, Tag("model")]
    | Annotated[DerivedSubject, Tag("from")]
    | Annotated[ServedSubject, Tag("openai")],
    Discriminator(_origin),
    BeforeValidator(_one_origin),
]


class Decoding(Section):
    """How answers are generated: greedily, or sampled with a separate random key per case.

    ``batch_size``: maximum; batches are smaller if they would exceed ``memory_gb`` (default: a
    quarter of the machine's memory). ``dtype``: data type of all subjects (default: float32 on a
    CPU, as stored on an accelerator). ``enable_thinking``: given to the chat templates of models
    that can think (default: they think).
    """

    max_tokens: Annotated[int, Field(ge=1)] = 512
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0
    batch_size: Annotated[int, Field(ge=1)] = 128
    memory_gb: Annotated[float | None, Field(gt=0)] = None
    dtype: Dtype | None = None
    enable_thinking: bool | None = None


class ChoicesConfig(Section):
    """How the likelihoods of choices are asked, by benchmarks that score them.

    ``chat``: whether a choice is the answer to a prompt in the chat template, instead of the
    continuation of a plain text.
    """

    chat: bool = False


class JudgesConfig(Section):
    """The kind of judge of each benchmark, and the settings of each kind.

    Further keys are names of benchmarks, with a kind of judge as value; ``default`` is the kind for
    the others. ``none`` scores only measures that need no judge. ``required``: benchmarks that are
    left out without a judge, because measures that need none would not justify the time to answer.
    """

    model_config = ConfigDict(extra="allow")  # for names of benchmarks, checked by `check`

    default: str = NONE
    required: tuple[str, ...] = ()
    recorded: RecordedSettings = RecordedSettings()
    reference: ReferenceSettings = ReferenceSettings()
    gemini: GeminiSettings | None = None
    openai: OpenAISettings | None = None
    mlx: LocalJudgeSettings | None = None

    @property
    def lines(self) -> dict[str, Any]:
        """The kind of judge by benchmark, without those that use ``default``."""
        return self.model_extra or {}

    def of(self, benchmark: str) -> str:
        """The kind of judge of ``benchmark``, or ``none``."""
        return str(self.lines.get(benchmark, self.default))

    def left_out(self, benchmark: str) -> bool:
        """Whether ``benchmark`` is not evaluated, because it has no judge and one is required."""
        return benchmark in self.required and self.of(benchmark) == NONE

    def scores_empty(self, benchmark: str) -> bool:
        """Whether an empty answer to ``benchmark`` counts: always, except by recorded verdicts."""
        return self.of(benchmark) != "recorded" or self.recorded.empty == "score"

    def settings(self, kind: str) -> LLMJudgeSettings | None:
        """The settings of an LLM judge; ``None`` for other kinds, or if there is no table."""
        settings = getattr(self, kind, None) if kind in type(self).model_fields else None
        return settings if isinstance(settings, LLMJudgeSettings) else None


class Gates(Section):
    """The gates, and the conditions for ruling on them.

    ``min_cases``: minimum number of scored cases. ``max_unscored``: maximum fraction of unscored
    cases. ``correction``: correction of p-values for multiple comparisons.
    """

    rules: tuple[str, ...] = ()
    min_cases: Annotated[int, Field(ge=2)] = 20
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.05
    correction: Literal["holm", "none"] = "holm"


class Profile(Section):
    """One evaluation.

    ``baseline``: the subject that the others are compared with in reports. ``kernel``: directory of
    the kernel and axioms, for `lek sandwich` and subjects with ``kernel = true`` (default: the
    shipped ones).
    """

    description: str = ""
    baseline: str = "base"
    kernel: str | None = None
    data: Data
    decoding: Decoding = Decoding()
    choices: ChoicesConfig = ChoicesConfig()
    subjects: Annotated[tuple[SubjectConfig, ...], Field(min_length=1)]
    judges: JudgesConfig = JudgesConfig()
    gates: Gates = Gates()

    @property
    def asked(self) -> tuple[AskedSubject, ...]:
        """The subjects whose answers are generated, in this process or by a server."""
        return tuple(s for s in self.subjects if isinstance(s, AskedSubject))

    @property
    def models(self) -> tuple[ModelSubject | DerivedSubject, ...]:
        """The subjects that are models in this process."""
        served = self.served
        return tuple(
            s
            for s in self.subjects
            if isinstance(s, ModelSubject | DerivedSubject) and s.name not in served
        )

    @property
    def served(self) -> dict[str, ServedSettings]:
        """The settings of served subjects, by name; also of those with ``from`` a served one."""
        served: dict[str, ServedSettings] = {}
        for subject in self.subjects:
            if isinstance(subject, ServedSubject):
                served[subject.name] = subject.openai
            elif isinstance(subject, DerivedSubject) and subject.origin in served:
                served[subject.name] = served[subject.origin]
        return served

    @property
    def recorded(self) -> dict[str, str]:
        """Model names in the data, by name of the recorded subject."""
        return {s.name: s.recorded for s in self.subjects if isinstance(s, RecordedSubject)}

    @property
    def subject_names(self) -> tuple[str, ...]:
        """Subject names in the order of the profile, which is also the order in reports."""
        return tuple(s.name for s in self.subjects)
