"""What a profile may say: subjects, data, decoding, judges, gates, each key with type and default.

`profiles` reads the TOML file and tells what is wrong with it.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from lek.benchmarks.benchmark import shipped
from lek.settings import NONE, Asked, Dtype, Gemini, Local, OpenAI, Recorded, Reference
from lek.tables import Table

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]


class Data(Table):
    """Where the cases lie, and which benchmarks to use.

    Both sources are directories with a ``<benchmark>.jsonl`` each; ``lem`` has recorded answers and
    verdicts besides, ``path`` has cases alone. ``benchmarks`` are names of those that ship, or
    paths of folders with a ``benchmark.toml`` (from the profile's place).
    """

    source: Literal["lem", "path"]
    dir: str | None = None
    benchmarks: tuple[str, ...] = Field(default_factory=lambda: tuple(shipped()))
    shuffle_seed: int | None = None


class Abliterate(Table):
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


class Stage(Table):
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


class Subject(Table):
    """A model variant: recorded answers, a model as it is, or one made from another subject.

    ``recorded`` is the name under which the data holds its answers. ``model`` is a directory
    (relative to the profile) or the name of a model on the Hugging Face hub, at ``revision``.
    ``from`` names the subject that this one is made from, by ``abliterate``, then by each stage of
    ``lora``; stages continue the adapter of a subject that is itself made by ``lora``. ``prompt``
    is ``plain`` for a model that knows no chat.
    """

    name: Name
    recorded: Name | None = None
    model: str | None = None
    revision: str | None = None
    origin: Annotated[Name | None, Field(alias="from")] = None
    prompt: Literal["chat", "plain"] = "chat"
    dequantize: bool | None = None
    abliterate: Abliterate | None = None
    lora: tuple[Stage, ...] = ()


class Decoding(Table):
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


class Judges(Table):
    """The judge of each benchmark; ``default`` serves those without a line of their own.

    A line of its own has the name of the benchmark as key. ``none`` measures only what needs no
    judge. What is to be said of a kind of judge stands in a table of its name.
    """

    model_config = ConfigDict(extra="allow")  # the lines of benchmarks, which `checks` looks at

    default: str = NONE
    recorded: Recorded = Recorded()
    reference: Reference = Reference()
    gemini: Gemini | None = None
    openai: OpenAI | None = None
    mlx: Local | None = None

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

    def settings(self, kind: str) -> Asked | None:
        """The settings of an LLM judge; ``None`` for other kinds, or without a table."""
        found = getattr(self, kind, None) if kind in type(self).model_fields else None
        return found if isinstance(found, Asked) else None


class Gates(Table):
    """The claims, and when a claim counts as measured."""

    rules: tuple[str, ...] = ()
    min_cases: Annotated[int, Field(ge=2)] = 20
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.05
    correction: Literal["holm", "none"] = "holm"


class Profile(Table):
    """One evaluation. ``baseline`` is the subject that changes are shown against.

    ``kernel`` is the directory of kernel and axioms for `lek sandwich` (default: the project's).
    """

    description: str = ""
    baseline: str = "base"
    kernel: str | None = None
    data: Data
    decoding: Decoding = Decoding()
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)]
    judges: Judges = Judges()
    gates: Gates = Gates()

    @property
    def subject_names(self) -> tuple[str, ...]:
        """Subject names in the order of the profile, which is the order of every table."""
        return tuple(s.name for s in self.subjects)
