"""What a profile may say of a judge that is a model: which one, how it is asked, what it costs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from lek.benchmarks.benchmark import Benchmark, Suitable
from lek.tables import Table

Dtype = Literal["float32", "bfloat16", "float16"]


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd, so that there is a middle vote")
    return value


def _plain_url(value: str) -> str:
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


Url = Annotated[str, AfterValidator(_plain_url)]


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, such as MY_KEY")
    return value


Variable = Annotated[str, AfterValidator(_variable)]


class Recorded(Table):
    """The verdicts that were recorded with the data.

    ``empty`` says whether a recorded verdict on an empty answer counts: ``score`` takes it, as
    published tables did, ``unscored`` leaves it out.
    """

    empty: Literal["score", "unscored"] = "unscored"


class Reference(Table):
    """The judge that compares with a case's reference answers.

    ``floor`` is the least similarity (0 to 1) at which an answer counts as one of them.
    """

    floor: Annotated[float, Field(ge=0, le=1)] = 0.9


class Asked(Table):
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


class Remote(Asked):
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


class Gemini(Remote):
    """Google's API, through either of its two client libraries (default: the one installed)."""

    key: Variable | None = "GEMINI_API_KEY"
    base_url: Url | None = None
    client: Literal["google-generativeai", "google-genai"] | None = None


class OpenAI(Remote):
    """Any endpoint that speaks OpenAI's chat completions, local or hosted.

    ``structured`` says what the endpoint knows of ``response_format``.
    """

    base_url: Url
    client: Literal["openai"] | None = None
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"


class Local(Asked):
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
    settings: type[Table] | None = None
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
        JudgeKind("recorded", "recorded", Recorded),
        JudgeKind("reference", "reference", Reference),
        JudgeKind("exact", "exact"),
        JudgeKind(
            "gemini",
            "llm",
            Gemini,
            (
                Client(
                    "google-generativeai",
                    "google.generativeai",
                    "gemini",
                    "lek.backends.gemini:GeminiEndpoint",
                ),
                Client("google-genai", "google.genai", "genai", "lek.backends.genai:GenaiEndpoint"),
            ),
        ),
        JudgeKind(
            "openai",
            "llm",
            OpenAI,
            (Client("openai", "openai", "openai", "lek.backends.openai:OpenAIEndpoint"),),
        ),
        JudgeKind("mlx", "llm", Local),
    )
}
