"""The reference judge: an answer gets the scores of the reference answer that it matches.

For closed worlds, where a case lists all known answers with their scores. An answer gets the scores
of the reference answer that it equals, ignoring case, spaces and punctuation; else those of the one
that it resembles most, by normalised Levenshtein similarity over characters, if the similarity is
at least ``floor`` and every negation and every number is at the same place in both; else the lowest
score of each scale.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from lek.benchmarks.benchmark import Measure
from lek.errors import BadInput
from lek.records import Case, Response, Verdict, make_verdict, unscored_verdict

NAME = "reference"
KEY = "reference_answers"
_QUOTES = str.maketrans("\u2018\u2019\u02bc\uff07\u2212", "''''-")
_CONTRACTIONS = {
    "cannot": "can not",
    "can't": "can not",
    "won't": "will not",
    "shan't": "shall not",
}
_NEGATIONS = frozenset(
    "not no never none nothing nobody nowhere neither nor without hardly scarcely barely".split()
)
_SMALL = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split(),
        range(21),
        strict=True,
    )
)
_LARGE = {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 10**9,
}  # fmt: skip
_VALUES = {word: str(value) for word, value in (_SMALL | _LARGE).items()}
_TOKEN = re.compile(
    r"(?P<sign>(?<![\w.)\]%])-(?=[$€£]?\.?\d))?[$€£]?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?P<part>(?<!\d[.,])\.\d+)?"
    r"(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)?"
)


def check(case: Case, measures: Sequence[Measure], where: str) -> None:
    """Raise `BadInput` unless ``case`` has usable reference answers.

    Each needs a text and a score for every one of ``measures``, within its scale. The message
    begins with ``where``, the file of the case.
    """
    expected_form = '[{"answer": text, "scores": {measure: number}}, ...]'
    entries = case.reference.get(KEY)
    if not isinstance(entries, list) or not entries:
        raise BadInput(
            f'{where}: case {case.id} has no "{KEY}"; add {expected_form}, '
            f"or choose another judge with judges.{case.benchmark}"
        )
    for i, entry in enumerate(entries):
        has_keys = isinstance(entry, dict) and entry.keys() == {"answer", "scores"}
        if not (
            has_keys and isinstance(entry["answer"], str) and isinstance(entry["scores"], dict)
        ):
            raise BadInput(
                f"{where}: case {case.id}: {KEY}[{i}]: expected the form {expected_form}"
            )
        response = Response(subject=NAME, case=case.id, text=entry["answer"])
        verdict = make_verdict(case, response, measures, entry["scores"], judge=NAME)
        faults = [u.text for u in verdict.unscored.values()]
        faults += [f"no measure {m!r}" for m in entry["scores"] if m not in verdict.scores]
        if faults:
            raise BadInput(f"{where}: case {case.id}: {KEY}[{i}].scores: {faults[0]}")


def reference(
    case: Case, response: Response, measures: Sequence[Measure], *, floor: float
) -> Verdict:
    """The scores of the reference answer that ``response`` matches, or the lowest of each measure.

    ``floor``: the lowest similarity (0 to 1) of a match. Unscored if it matches several reference
    answers with different scores. The case must have passed `check`.
    """
    assert response.text is not None  # judges only get responses with a text
    answers = case.reference[KEY]
    matched = match(response.text, [entry["answer"] for entry in answers], floor)
    if matched is None:
        lowest = {measure.name: measure.scale.low for measure in measures}
        why = "resembles no reference answer"
        return make_verdict(case, response, measures, lowest, judge=NAME, reason=why)
    which = " and ".join(map(str, matched.numbers))
    reason = f"equals reference answer {which}"
    if matched.similarity < 1:
        reason = f"resembles reference answer {which} (similarity {matched.similarity:.3f})"
    scores = answers[matched.numbers[0] - 1]["scores"]
    if any(answers[n - 1]["scores"] != scores for n in matched.numbers):
        why = f"{reason}, which differ in their scores"
        return unscored_verdict(case, response, measures, "bad_reference", why, judge=NAME)
    return make_verdict(case, response, measures, scores, judge=NAME, reason=reason)


class Match(NamedTuple):
    """The numbers (from 1) of the reference answers that match, and their similarity (0 to 1)."""

    numbers: tuple[int, ...]
    similarity: float


def match(text: str, answers: Sequence[str], floor: float) -> Match | None:
    """The reference ``answers`` that ``text`` equals, else the one that it resembles most.

    Several if they tie; ``None`` if no similarity reaches ``floor``.
    """
    equal = tuple(i for i, answer in enumerate(answers, 1) if _equal(text, answer))
    if equal:
        return Match(equal, 1.0)
    from rapidfuzz.distance import Levenshtein

    tokens, best = _tokens(text), Match((), floor)
    for i, answer in enumerate(answers, 1):
        other = _tokens(answer)
        if not tokens or not other or not _agree(tokens, other):
            continue
        similarity = Levenshtein.normalized_similarity(" ".join(tokens), " ".join(other))
        if similarity > best.similarity or (similarity == best.similarity and not best.numbers):
            best = Match((i,), similarity)
        elif similarity == best.similarity:
            best = Match((*best.numbers, i), similarity)
    return best if best.numbers else None


def _equal(text: str, answer: str) -> bool:
    tokens, other = _tokens(text), _tokens(answer)
    if tokens or other:
        return tokens == other
    return text.split() == answer.split()  # both without words and numbers


def _agree(tokens: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether all negations and numbers are at the same places in both token sequences."""
    from rapidfuzz.distance import Levenshtein

    return not any(
        _is_decisive(token)
        for edit in Levenshtein.opcodes(tokens, other)
        if edit.tag != "equal"
        for token in (
            *tokens[edit.src_start : edit.src_end],
            *other[edit.dest_start : edit.dest_end],
        )
    )


def _is_decisive(token: str) -> bool:
    return token in _NEGATIONS or any(c.isdigit() for c in token)


@lru_cache(maxsize=4096)
def _tokens(text: str) -> tuple[str, ...]:
    """The words and numbers of ``text``: words in lower case, numbers in a canonical form."""
    normal = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    tokens: list[str] = []
    for token in _TOKEN.finditer(normal):
        sign, whole, part, word = token.group("sign", "whole", "part", "word")
        if whole or part:
            digits = (whole or "").replace(",", "").lstrip("0") or "0"
            decimals = (part or "").rstrip("0").rstrip(".")
            tokens.append(f"{sign or ''}{digits}{decimals}")
        if word:
            expanded = _CONTRACTIONS.get(word) or re.sub(r"n't$", " not", word)
            tokens += [_VALUES.get(w, w) for w in expanded.replace("'", "").split()]
    return tuple(tokens)
