"""Seeds and training chats: counts, format, style, no overlap between them."""

import json
import re
import statistics
from collections import Counter
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyphen
import pytest
from support.project import ROOT

from lek.data.kernel import load_kernel
from lek.judges.exact.extraction import read_answer

MIX = {"dilemma": 45, "misconception": 30, "risk": 30, "group": 20, "sum": 20, "ordinary": 15}
FILES = {"train.jsonl": 160, "valid.jsonl": 20, "composure.jsonl": 6}
DOMAINS = (
    "Identity Network Storage Compute Payment Hypnos Education Censorship Health Labour".split()
)
SEEDS = [
    seed
    for path in sorted((ROOT / "seeds").glob("P*.json"))
    for seed in json.loads(path.read_text(encoding="utf-8"))
]
CHATS = {
    name: [json.loads(line) for line in (ROOT / "training" / name).open(encoding="utf-8")]
    for name in FILES
}
KINDS = json.loads((ROOT / "training" / "mix.json").read_text())
ANSWERS = [chat["messages"][1]["content"] for chats in CHATS.values() for chat in chats]
FORBIDDEN = (
    "Okay, let's",
    "As an AI",
    "I cannot",
    "I can't help",
    "Sure",
    "Certainly",
    "Of course",
)


def kind(name: str) -> list[tuple[str, str]]:
    """Return the (prompt, answer) pairs of one kind, in training and validation data."""
    return [
        (chat["messages"][0]["content"], chat["messages"][1]["content"])
        for file, kinds in KINDS.items()
        for chat, chat_kind in zip(CHATS[file], kinds, strict=True)
        if chat_kind == name
    ]


def runs(text: str, n: int = 8) -> set[tuple[str, ...]]:
    """Return all runs of ``n`` consecutive words, in lower case and without punctuation."""
    words = re.findall(r"[\w']+", text.lower().replace("\u2019", "'"))
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


HYPHENATOR = pyphen.Pyphen(lang="en_GB")


def reading_ease(text: str) -> float:
    """Return the reading ease by Flesch (1948): 100 is very easy, 0 very hard.

    Syllables are counted by hyphenation, so the result is slightly too high.
    """
    words = re.findall(r"[A-Za-z']+", text)
    sentences = max(1, len(re.findall(r"[.!?]+(?:\s|$)", text)))
    syllables = sum(len(HYPHENATOR.positions(word)) + 1 for word in words)
    return 206.835 - 1.015 * len(words) / sentences - 84.6 * syllables / len(words)


def test_there_are_a_hundred_seeds() -> None:
    files = {p.name: len(json.loads(p.read_text())) for p in (ROOT / "seeds").glob("*.json")}
    assert files == {f"P{'0' * (i == 0)}{20 * i + 1}-P{20 * i + 20}.json": 20 for i in range(5)}
    numbers = [int(re.match(r"P(\d+)_", s["id"])[1]) for s in SEEDS]  # type: ignore[index]
    assert numbers == list(range(1, 101))
    assert len({s["prompt"] for s in SEEDS}) == 100


@pytest.mark.parametrize("seed", SEEDS, ids=lambda s: s["id"])
def test_seed_format(seed: dict[str, str]) -> None:
    assert set(seed) == {"id", "domain", "prompt"}
    assert re.fullmatch(r"P(0[1-9]|[1-9]\d|100)_[A-Z]+(_[A-Z]+){1,3}", seed["id"])
    assert seed["id"].split("_")[1] == seed["domain"].upper()
    assert 35 <= len(seed["prompt"].split()) <= 130
    if re.search(r"[.?!]", seed["prompt"]):  # two seeds have no punctuation
        assert 40 <= reading_ease(seed["prompt"]) <= 115


def test_seed_domains() -> None:
    early = Counter(s["domain"] for s in SEEDS[:40])
    assert early == dict.fromkeys(DOMAINS, 4)
    late = Counter(s["domain"] for s in SEEDS[40:])
    assert len(late) >= 6
    assert not set(late) & set(DOMAINS)


@pytest.mark.parametrize(("name", "count"), FILES.items())
def test_chat_format(name: str, count: int) -> None:
    assert len(CHATS[name]) == count
    for chat in CHATS[name]:
        assert set(chat) == {"messages"}
        assert [m["role"] for m in chat["messages"]] == ["user", "assistant"]
        assert all(m["content"] == m["content"].strip() != "" for m in chat["messages"])


def test_mix_of_kinds() -> None:
    assert Counter(KINDS["train.jsonl"]) == MIX
    valid = Counter(KINDS["valid.jsonl"])
    assert valid.total() == 20
    assert set(valid) == set(MIX)


def test_no_text_is_repeated() -> None:
    texts = [m["content"] for chats in CHATS.values() for chat in chats for m in chat["messages"]]
    texts += [s["prompt"] for s in SEEDS]
    assert not [t for t, n in Counter(texts).items() if n > 1]


def test_answer_lengths() -> None:
    """60 to 350 words, the middle half 110 to 190; at most 110 in composure.jsonl."""
    lengths = sorted(len(answer.split()) for answer in ANSWERS)
    assert lengths[0] >= 60
    assert lengths[-1] <= 350
    lower, _, upper = statistics.quantiles(lengths, n=4)
    assert lower >= 110
    assert upper <= 190
    composure = [len(c["messages"][1]["content"].split()) for c in CHATS["composure.jsonl"]]
    assert max(composure) <= 110


def test_answers_are_easy_to_read() -> None:
    """Reading ease of at least 45 each, median 65 to 90 (plain English or easier)."""
    ease = [reading_ease(answer) for answer in ANSWERS]
    assert min(ease) >= 45
    assert 65 <= statistics.median(ease) <= 90


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_answer_style(answer: str) -> None:
    assert not answer.lower().startswith(tuple(f.lower() for f in FORBIDDEN))
    assert "as an ai" not in answer.lower()
    assert not re.search(
        r"important to (?:remember|note)|let me know if|great question", answer, re.I
    )
    assert "**" not in answer
    assert not re.search(r"^#+ ", answer.rsplit("\n####", 1)[0], re.M)


def test_answers_open_differently() -> None:
    openings = Counter(" ".join(answer.lower().split()[:3]) for answer in ANSWERS)
    assert max(openings.values()) <= 2


def test_answers_do_not_quote_the_kernel() -> None:
    kernel = load_kernel(ROOT / "kernel")
    kernel_runs = runs(kernel.text) | runs(kernel.axioms_json)
    assert not [a for a in ANSWERS if runs(a) & kernel_runs]
    assert not [a for a in ANSWERS if re.search(r"\baxioms?\b|\bkernel\b|sovereignty", a, re.I)]


def test_sums_are_correct_and_end_with_the_result() -> None:
    for prompt, answer in kind("sum"):
        mark = re.fullmatch(r".*\n#### (-?\d+)", answer, re.S)
        assert mark
        body = answer[: mark.start(1) - 5]
        assert read_answer(answer, prompt).value == Fraction(mark[1])
        assert re.search(rf"(?<!\d){mark[1]}(?!\d)", body), answer
        for left, right in re.findall(r"([\d ()+\-−×*÷/]+?) = (\d+)(?![\d/])", body):
            if re.search(r"\d [+\-−×*÷/] \d", left):
                term = left.replace("−", "-").replace("×", "*").replace("÷", "/")
                term = re.sub(r"(\d+)", r"Fraction(\1)", term)
                assert eval(term, {"Fraction": Fraction}) == int(right), (left, right)  # noqa: S307


def test_each_misconception_has_a_source() -> None:
    text = (ROOT / "training" / "SOURCES.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\w+\.jsonl) (\d+): [^\n]+\n\n(.+?)(?=\n## |\Z)", text, re.S | re.M)
    misconceptions = {
        (file, str(i))
        for file, kinds in KINDS.items()
        for i, chat_kind in enumerate(kinds, 1)
        if chat_kind == "misconception"
    }
    assert {(file, line) for file, line, _ in sections} == misconceptions
    for _, _, body in sections:
        assert re.search(r"^Sources?: \S.{20,}", body, re.M | re.S)


def cases(directory: Path) -> list[str]:
    """Return all texts of the cases in a directory with the LEM layout."""
    return [
        value
        for path in directory.glob("*.jsonl")
        for line in path.open(encoding="utf-8")
        for key, field in json.loads(line).items()
        for value in (
            [field] if isinstance(field, str) else field if isinstance(field, list) else []
        )
        if key not in ("id", "benchmark", "specific_harms", "risk_area", "types_of_harm")
    ]


def leaked(evaluated: list[str]) -> list[tuple[str, ...]]:
    """Return the runs of words that ``evaluated`` texts share with training texts."""
    trained = {
        run
        for chats in CHATS.values()
        for c in chats
        for m in c["messages"]
        for run in runs(m["content"])
    }
    return [run for text in evaluated for run in runs(text) if run in trained]


def test_training_texts_share_nothing_with_seeds_and_shipped_cases() -> None:
    shipped = cases(ROOT / "sandbox" / "recorded")
    assert len(shipped) > 60
    assert not leaked([s["prompt"] for s in SEEDS] + shipped)


def test_training_texts_share_nothing_with_published_cases(paper: Path) -> None:
    published = cases(paper)
    assert len(published) > 200
    assert not leaked(published)


def test_leaks_are_detected() -> None:
    assert leaked([CHATS["train.jsonl"][0]["messages"][1]["content"]])


TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>\n{{ m['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)


def tokenizer() -> Any:
    """Create a byte-level tokenizer with a chat template, without a download."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE({c: i for i, c in enumerate(vocabulary)}, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe)
    fast.chat_template = TEMPLATE
    return fast


def test_mlx_lm_reads_the_training_data() -> None:
    datasets = pytest.importorskip("mlx_lm.tuner.datasets", reason="mlx-lm is not installed")
    chat_tokenizer = tokenizer()
    config = SimpleNamespace(mask_prompt=True)
    train, valid, test = datasets.load_local_dataset(ROOT / "training", chat_tokenizer, config)
    assert (len(train), len(valid), len(test)) == (160, 20, 0)
    for i in range(len(train)):
        tokens, offset = train.process(train[i])
        prompt, answer = train[i]["messages"][0]["content"], train[i]["messages"][1]["content"]
        assert chat_tokenizer.decode(tokens[:offset]) == f"<user>\n{prompt}<end>\n<assistant>\n"
        assert chat_tokenizer.decode(tokens[offset:]) == f"{answer}<end>\n"
