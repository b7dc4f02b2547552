"""What a profile may say: subjects, data, decoding, judges, gates, each key with type and default.

`profiles` reads the TOML file and tells what is wrong with it.
"""

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

from lek.benchmarks.benchmark import Benchmark, Suitable, shipped
from lek.errors import suggestion


class Section(BaseModel):
    """One table of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def public_dict(self, **how: Any) -> dict[str, Any]:
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


Dtype = Literal["float32", "bfloat16", "float16"]


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd, so that there is a middle vote")
    return value


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:  # such as a port of letters
        whole = False
    if not whole or not re.fullmatch(r"[A-Za-z0-9.:_-]+", parts.hostname or ""):
        raise ValueError("must be an address such as http://127.0.0.1:8080/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no key and no query; name the key's variable in key")
    return value


Url = Annotated[str, AfterValidator(_address)]


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, such as MY_KEY")
    return value


Variable = Annotated[str, AfterValidator(_variable)]


class RecordedSettings(Section):
    """The verdicts that were recorded with the data.

    ``empty`` says whether a recorded verdict on an empty answer counts: ``score`` takes it, as
    published tables did, ``unscored`` leaves it out.
    """

    empty: Literal["score", "unscored"] = "unscored"


class ReferenceSettings(Section):
    """The judge that compares with a case's reference answers.

    ``floor`` is the least similarity (0 to 1) at which an answer counts as one of them.
    """

    floor: Annotated[float, Field(ge=0, le=1)] = 0.9


class LLMJudgeSettings(Section):
    """What all judges that are models have.

    ``votes`` is how often each answer is judged; the median counts. ``max_tokens`` bounds a reply,
    thinking included.
    """

    # what a vote depends on: not how often, how fast or at what price it is asked for
    DECIDE: ClassVar = {
        "model", "temperature", "max_tokens", "base_url", "structured", "revision", "dtype"
    }  # fmt: skip

    model: Annotated[str, Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.1
    max_tokens: Annotated[int, Field(ge=16, le=1_000_000)] = 2048
    votes: Annotated[int, Field(ge=1, le=99), AfterValidator(_odd)] = 1

    def deciding(self) -> dict[str, Any]:
        """The settings that decide a vote, as part of its key."""
        return self.model_dump(mode="json", include=self.DECIDE)


class APIJudgeSettings(LLMJudgeSettings):
    """A judge behind an API.

    ``key`` names the environment variable that holds the key. ``concurrency`` is the number of
    requests under way at once, ``rpm`` the most per minute. A reply that is not whole after
    ``timeout`` seconds is given up; a question is asked ``attempts`` times at most. Prices are per
    million tokens, in ``currency``.
    """

    key: Variable | None = None
    client: str | None = None
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    rpm: Annotated[float | None, Field(ge=0.01, le=1e6)] = None
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=20)] = 6
    input_price: Annotated[float | None, Field(ge=0, le=1e6)] = None
    output_price: Annotated[float | None, Field(ge=0, le=1e6)] = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


class GeminiSettings(APIJudgeSettings):
    """Google's API, through either of its two client libraries (default: the one installed)."""

    key: Variable | None = "GEMINI_API_KEY"
    base_url: Url | None = None
    client: Literal["google-generativeai", "google-genai"] | None = None


class OpenAISettings(APIJudgeSettings):
    """Any endpoint that speaks OpenAI's chat completions, local or hosted.

    ``structured`` says what the endpoint knows of ``response_format``.
    """

    base_url: Url
    client: Literal["openai"] | None = None
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"


class LocalJudgeSettings(LLMJudgeSettings):
    """A model in this process, asked in batches.

    ``model`` is a directory (relative to the profile) or the name of a model on the hub.
    """

    revision: str | None = None
    batch_size: Annotated[int, Field(ge=1)] = 16
    memory_gb: Annotated[float | None, Field(gt=0)] = None
    dtype: Dtype | None = None


NONE = "none"  # no judge: only what needs none is measured


@dataclass(frozen=True, slots=True)
class Client:
    """A client library of an API: its package, module, our extra, and the class that uses it."""

    package: str
    module: str
    extra: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class JudgeKind:
    """A kind of judge that a profile can name.

    ``suitable`` is what a benchmark lists where it suits; ``settings`` is the form of its table in
    the profile, without which an LLM judge cannot be asked; ``clients`` are the libraries of which
    one must be installed, the preferred first.
    """

    name: str
    suitable: Suitable
    settings: type[Section] | None = None
    clients: tuple[Client, ...] = ()

    @property
    def is_llm(self) -> bool:
        """Whether it is a model that follows rubrics."""
        return self.suitable == "llm"

    def suits(self, benchmark: Benchmark) -> bool:
        """Whether ``benchmark`` can be judged by it."""
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
                    "google-genai", "google.genai", "genai", "lek.providers.genai:GenaiEndpoint"
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


class Data(Section):
    """Where the cases lie, and which benchmarks to use.

    Both sources are directories with a ``<benchmark>.jsonl`` each; ``lem`` has recorded answers and
    verdicts besides, ``path`` has cases alone. ``benchmarks`` are names of those that ship, or
    paths of folders with a ``benchmark.toml`` (from the profile's place).
    """

    source: Literal["lem", "path"]
    dir: str | None = None
    benchmarks: tuple[str, ...] = Field(default_factory=lambda: tuple(shipped()))
    shuffle_seed: int | None = None


class Abliterate(Section):
    """Remove the refusal direction (Arditi et al. 2024), found on two files of prompts.

    ``harmful`` and ``harmless`` are JSON Lines with ``id`` and ``prompt``. ``max_kl`` bounds the
    answer-token KL on harmless prompts (nat); ``ridge`` is the λ of the projector.
    """

    harmful: str
    harmless: str
    max_kl: Annotated[float, Field(gt=0)] = 0.1
    ridge: Annotated[float, Field(gt=0)] = 0.01
    max_tokens: Annotated[int, Field(ge=1)] = 32
    seed: int = 0


class Stage(Section):
    """One LoRA fine-tune (Hu et al. 2021). The defaults are those of the published LEK models.

    ``data`` is a directory with ``train.jsonl`` (and ``valid.jsonl``), or one ``.jsonl`` file of
    chats. ``layers`` counts from the last one, -1 means all.
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
    """A subject whose answers are recorded in the data, under the name ``recorded``."""

    name: Name
    recorded: Name


class BuiltSubject(Section):
    """What subjects have in common that are models.

    ``prompt`` is ``plain`` for a model that knows no chat; ``dequantize`` brings it into full
    precision, or forbids that.
    """

    name: Name
    prompt: Literal["chat", "plain"] = "chat"
    dequantize: bool | None = None


class ModelSubject(BuiltSubject):
    """A model as it is: a directory, or a name on the Hugging Face hub, at ``revision``."""

    model: str
    revision: str | None = None


class DerivedSubject(BuiltSubject):
    """A model made from the subject ``from``: by ``abliterate``, then by each stage of ``lora``.

    Stages continue the adapter of a subject that is itself made by ``lora``.
    """

    origin: Annotated[Name, Field(alias="from")]
    abliterate: Abliterate | None = None
    lora: tuple[Stage, ...] = ()


SUBJECT_KINDS: Mapping[str, type[Section]] = {
    "recorded": RecordedSubject,
    "model": ModelSubject,
    "from": DerivedSubject,
}


def _origin(value: Any) -> str | None:
    """The kind of a subject, by the one key that says where it comes from."""
    if isinstance(value, dict):
        return next((key for key in SUBJECT_KINDS if key in value), None)
    return next((key for key, kind in SUBJECT_KINDS.items() if isinstance(value, kind)), None)


def _one_origin(value: Any) -> Any:
    if isinstance(value, dict):
        keys = [key for key in SUBJECT_KINDS if key in value]
        if len(keys) > 1:
            raise ValueError(f"has {' and '.join(keys)}; give one of {', '.join(SUBJECT_KINDS)}")
        if not keys:
            near = (f"; {k}: unknown key{n}" for k in value if (n := suggestion(k, SUBJECT_KINDS)))
            raise ValueError(f"has none of {', '.join(SUBJECT_KINDS)}{next(near, '; give one')}")
    return value


SubjectConfig = Annotated[
    Annotated[RecordedSubject, Tag("recorded")]
    | Annotated[ModelSubject, Tag("model")]
    | Annotated[DerivedSubject, Tag("from")],
    Discriminator(_origin),
    BeforeValidator(_one_origin),
]


class Decoding(Section):
    """How answers are generated: greedily, or sampled with a key of its own for each case.

    ``batch_size`` is an upper bound; a batch is smaller where ``memory_gb`` (default: a quarter of
    the machine's memory) would not hold it. ``dtype`` is the numeric form of all subjects (default:
    float32 on a CPU, as stored on an accelerator).
    """

    max_tokens: Annotated[int, Field(ge=1)] = 512
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0
    batch_size: Annotated[int, Field(ge=1)] = 64
    memory_gb: Annotated[float | None, Field(gt=0)] = None
    dtype: Dtype | None = None


class JudgesConfig(Section):
    """The judge of each benchmark; ``default`` serves those without a line of their own.

    A line of its own has the name of the benchmark as key. ``none`` measures only what needs no
    judge. What is to be said of a kind of judge stands in a table of its name.
    """

    model_config = ConfigDict(extra="allow")  # the lines of benchmarks, which `checks` looks at

    default: str = NONE
    recorded: RecordedSettings = RecordedSettings()
    reference: ReferenceSettings = ReferenceSettings()
    gemini: GeminiSettings | None = None
    openai: OpenAISettings | None = None
    mlx: LocalJudgeSettings | None = None

    @property
    def lines(self) -> dict[str, Any]:
        """The kind of judge by benchmark, where a benchmark has a line of its own."""
        return self.model_extra or {}

    def of(self, benchmark: str) -> str:
        """The kind of judge that ``benchmark`` gets, or ``none``."""
        return str(self.lines.get(benchmark, self.default))

    def scores_empty(self, benchmark: str) -> bool:
        """Whether an empty recorded answer to ``benchmark`` keeps its recorded verdict."""
        return self.of(benchmark) == "recorded" and self.recorded.empty == "score"

    def settings(self, kind: str) -> LLMJudgeSettings | None:
        """The settings of an LLM judge; ``None`` for other kinds, or without a table."""
        found = getattr(self, kind, None) if kind in type(self).model_fields else None
        return found if isinstance(found, LLMJudgeSettings) else None


class Gates(Section):
    """The claims, and when a claim counts as measured."""

    rules: tuple[str, ...] = ()
    min_cases: Annotated[int, Field(ge=2)] = 20
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.05
    correction: Literal["holm", "none"] = "holm"


class Profile(Section):
    """One evaluation. ``baseline`` is the subject that changes are shown against.

    ``kernel`` is the directory of kernel and axioms for `lek sandwich` (default: the project's).
    """

    description: str = ""
    baseline: str = "base"
    kernel: str | None = None
    data: Data
    decoding: Decoding = Decoding()
    subjects: Annotated[tuple[SubjectConfig, ...], Field(min_length=1)]
    judges: JudgesConfig = JudgesConfig()
    gates: Gates = Gates()

    @property
    def models(self) -> tuple[ModelSubject | DerivedSubject, ...]:
        """The subjects that are models, whose answers are generated."""
        return tuple(s for s in self.subjects if not isinstance(s, RecordedSubject))

    @property
    def recorded(self) -> dict[str, str]:
        """The name in the data by subject whose answers are recorded."""
        return {s.name: s.recorded for s in self.subjects if isinstance(s, RecordedSubject)}

    @property
    def subject_names(self) -> tuple[str, ...]:
        """Subject names in the order of the profile, which is the order of every table."""
        return tuple(s.name for s in self.subjects)
