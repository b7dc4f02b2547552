"""Prompts for abliteration: counts, similar form in both lists, no overlap with other data."""

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.project import ROOT

from lek.data.prompts import read_prompts

LISTS = {
    name: read_prompts(ROOT / "abliteration" / f"{name}.jsonl") for name in ("harmful", "harmless")
}
PROMPTS = [prompt for prompts in LISTS.values() for prompt in prompts.values()]
LABEL_KEYS = {"id", "benchmark", "domain", "risk_area", "types_of_harm", "specific_harms", "role"}


def words(text: str) -> list[str]:
    """Return the words of ``text`` in lower case, without punctuation."""
    return re.findall(r"[\w']+", text.lower().replace("\u2019", "'"))


def runs(text: str, n: int = 6) -> set[tuple[str, ...]]:
    """Return all runs of ``n`` consecutive words; a shorter text is a single run."""
    sequence = words(text)
    return {tuple(sequence[i : i + n]) for i in range(max(1, len(sequence) - n + 1))}


PROMPT_RUNS = {run for prompt in PROMPTS for run in runs(prompt)}


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value, except those of `LABEL_KEYS`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in LABEL_KEYS:
                yield from texts(item)


def shared(other: Iterable[str]) -> set[tuple[str, ...]]:
    """Return the runs of words that ``other`` texts share with the prompts."""
    return {run for text in other for run in runs(text)} & PROMPT_RUNS


def lines(directory: Path, pattern: str = "*.jsonl") -> list[str]:
    """Return all texts in the JSON Lines files of ``directory``."""
    return [
        text
        for path in sorted(directory.glob(pattern))
        for line in path.read_text(encoding="utf-8").splitlines()
        for text in texts(json.loads(line))
    ]


@pytest.mark.parametrize(("name", "letter"), [("harmful", "H"), ("harmless", "N")])
def test_each_list_has_160_prompts_in_order(name: str, letter: str) -> None:
    assert list(LISTS[name]) == [f"{letter}{i:03d}" for i in range(1, 161)]
    rows = (ROOT / "abliteration" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(list(json.loads(row)) == ["id", "prompt"] for row in rows)


def test_each_prompt_is_one_or_two_sentences() -> None:
    for prompt in PROMPTS:
        assert re.fullmatch(r"[A-Z][^.?!]+[.?!](?: [A-Z][^.?!]+[.?!])?", prompt), prompt
        assert 5 <= len(words(prompt)) <= 25, prompt


def test_no_prompt_resembles_another_of_its_list() -> None:
    """A harmful and a harmless prompt may begin with the same words; this is intended."""
    assert len({tuple(words(prompt)) for prompt in PROMPTS}) == 320
    for prompts in LISTS.values():
        counts = Counter(run for prompt in prompts.values() for run in runs(prompt))
        assert not [run for run, n in counts.items() if n > 1]


def test_both_lists_have_similar_lengths() -> None:
    """If the lengths differed, the refusal direction would include length."""
    harmful, harmless = (
        statistics.quantiles([len(words(prompt)) for prompt in prompts.values()], n=4)
        for prompts in LISTS.values()
    )
    assert all(abs(a - b) <= 2 for a, b in zip(harmful, harmless, strict=True))


def test_both_lists_have_similar_sentence_forms() -> None:
    """If one list had more questions, the form alone would distinguish the lists."""
    harmful, harmless = (
        Counter(tuple(words(prompt)[:2]) for prompt in prompts.values())
        for prompts in LISTS.values()
    )
    assert sum(((harmful - harmless) + (harmless - harmful)).values()) <= 32  # of 320
    questions = [sum(p.endswith("?") for p in prompts.values()) for prompts in LISTS.values()]
    assert abs(questions[0] - questions[1]) <= 5


def test_no_prompt_is_a_seed() -> None:
    seeds = [
        text
        for path in sorted((ROOT / "seeds").glob("*.json"))
        for text in texts(json.loads(path.read_text(encoding="utf-8")))
    ]
    assert len(seeds) >= 100
    assert not shared(seeds)


@pytest.mark.parametrize("directory", ["training", "sandbox"])
def test_no_prompt_is_in_shipped_data(directory: str) -> None:
    shipped = lines(ROOT / directory, "**/*.jsonl")
    assert len(shipped) >= 60
    assert not shared(shipped)


def test_no_prompt_is_a_published_case(paper: Path) -> None:
    published = lines(paper)
    assert len(published) > 200
    assert not shared(published)


def test_shared_runs_are_detected() -> None:
    prompt = PROMPTS[0]
    assert shared([f"Tell me: {prompt} Thank you."])
    assert shared(texts({"id": "T", "messages": [{"role": "user", "content": prompt.upper()}]}))


def test_the_gemma_profile_uses_both_lists() -> None:
    profile = ROOT / "evals" / "profiles" / "gemma3-1b.toml"
    names = re.findall(r'^(?:harmful|harmless) = "(.+)"$', profile.read_text(), re.M)
    paths = [(profile.parent / path).resolve() for path in names]
    assert paths == [ROOT / "abliteration" / f"{name}.jsonl" for name in LISTS]
