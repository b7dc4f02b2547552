"""The prompts that a refusal direction is found from: counts, like form, none of them a case."""

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
PROMPTS = [prompt for found in LISTS.values() for prompt in found.values()]
LABELS = {"id", "benchmark", "domain", "risk_area", "types_of_harm", "specific_harms", "role"}


def words(text: str) -> list[str]:
    """The words of ``text``, without case and punctuation."""
    return re.findall(r"[\w']+", text.lower().replace("\u2019", "'"))


def runs(text: str, n: int = 6) -> set[tuple[str, ...]]:
    """Every run of ``n`` words; a shorter text is one run by itself."""
    found = words(text)
    return {tuple(found[i : i + n]) for i in range(max(1, len(found) - n + 1))}


OWN = {run for prompt in PROMPTS for run in runs(prompt)}


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, except labels."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in LABELS:
                yield from texts(item)


def shared(found: Iterable[str]) -> set[tuple[str, ...]]:
    """The runs of words that stand in ``found`` and in a prompt here."""
    return {run for text in found for run in runs(text)} & OWN


def lines(directory: Path, pattern: str = "*.jsonl") -> list[str]:
    """Every text in the JSON Lines of ``directory``."""
    return [
        text
        for path in sorted(directory.glob(pattern))
        for line in path.read_text(encoding="utf-8").splitlines()
        for text in texts(json.loads(line))
    ]


@pytest.mark.parametrize(("name", "letter"), [("harmful", "H"), ("harmless", "N")])
def test_a_list_has_160_prompts_in_order(name: str, letter: str) -> None:
    assert list(LISTS[name]) == [f"{letter}{i:03d}" for i in range(1, 161)]
    rows = (ROOT / "abliteration" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(list(json.loads(row)) == ["id", "prompt"] for row in rows)


def test_a_prompt_is_a_sentence_or_two() -> None:
    for prompt in PROMPTS:
        assert re.fullmatch(r"[A-Z][^.?!]+[.?!](?: [A-Z][^.?!]+[.?!])?", prompt), prompt
        assert 5 <= len(words(prompt)) <= 25, prompt


def test_no_prompt_stands_there_twice_or_nearly() -> None:
    """In one list; a harmful and a harmless prompt may begin alike, and are meant to."""
    assert len({tuple(words(prompt)) for prompt in PROMPTS}) == 320
    for found in LISTS.values():
        counts = Counter(run for prompt in found.values() for run in runs(prompt))
        assert not [run for run, n in counts.items() if n > 1]


def test_both_lists_have_the_same_lengths() -> None:
    """A direction found from lists of unlike length would hold length as well."""
    harmful, harmless = (
        statistics.quantiles([len(words(prompt)) for prompt in found.values()], n=4)
        for found in LISTS.values()
    )
    assert all(abs(a - b) <= 2 for a, b in zip(harmful, harmless, strict=True))


def test_both_lists_have_the_same_forms() -> None:
    """A question against a command would be told apart by form alone."""
    harmful, harmless = (
        Counter(tuple(words(prompt)[:2]) for prompt in found.values()) for found in LISTS.values()
    )
    assert sum(((harmful - harmless) + (harmless - harmful)).values()) <= 32  # of 320
    marks = [sum(p.endswith("?") for p in found.values()) for found in LISTS.values()]
    assert abs(marks[0] - marks[1]) <= 5


def test_none_is_a_seed() -> None:
    seeds = [
        text
        for path in sorted((ROOT / "seeds").glob("*.json"))
        for text in texts(json.loads(path.read_text(encoding="utf-8")))
    ]
    assert len(seeds) >= 100
    assert not shared(seeds)


@pytest.mark.parametrize("directory", ["training", "sandbox"])
def test_none_is_in_data_that_ships(directory: str) -> None:
    found = lines(ROOT / directory, "**/*.jsonl")
    assert len(found) >= 60
    assert not shared(found)


def test_none_is_a_published_case(paper: Path) -> None:
    published = lines(paper)
    assert len(published) > 200
    assert not shared(published)


def test_a_shared_run_would_be_seen() -> None:
    prompt = PROMPTS[0]
    assert shared([f"Tell me: {prompt} Thank you."])
    assert shared(texts({"id": "T", "messages": [{"role": "user", "content": prompt.upper()}]}))


def test_the_profile_for_gemma_names_the_lists() -> None:
    profile = ROOT / "evals" / "profiles" / "gemma3-1b.toml"
    named = re.findall(r'^(?:harmful|harmless) = "(.+)"$', profile.read_text(), re.M)
    found = [(profile.parent / path).resolve() for path in named]
    assert found == [ROOT / "abliteration" / f"{name}.jsonl" for name in LISTS]
