"""Extract the final number from an answer to a word problem.

1. The answer is cut to its reply: without thoughts (``<think>``), notes, other turns and further
   examples. What follows a stated result as a check or an explanation counts only if it is marked
   or a correction.
2. The last mark counts: ``#### 18``, ``\\boxed{18}``, "The answer is 18", "A: 18". What a mark
   introduces is a number or else is read as in 3.
3. Without a mark it is the result that is stated last or, if the answer was cut off, stated last
   about what the question asks. Headings, list labels, numbers that only restate the question and
   unfinished expressions are ignored. "It cannot be determined" states that there is no number.
4. Of several numbers in a statement, the one in the unit that the question asks for counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from lek.judges.exact.numerals import Number, numbers, strip_latex
from lek.judges.exact.question import SENTENCE, Asked, asked_by, computes

_MARKED = "marked as the answer"
_NO_NUMBER = "said to be undetermined"
_REPEATED = "repeated from the question"


@dataclass(frozen=True)
class Reading:
    """The final number of an answer, if any, and how it was found."""

    value: Fraction | None
    how: str


@dataclass(frozen=True)
class Statement:
    """A clause that states a result.

    ``value``: ``None`` for "cannot be determined". ``unit``: whether the result is in the asked
    unit, ``None`` if it has no known unit. ``derived``: whether the clause shows how it follows.
    """

    clause: str
    value: Fraction | None
    unit: bool | None = None
    derived: bool = False


# 1. The reply

_LONGEST = 20_000  # only the last characters are read: a model that is stuck can write for long
_TRIES = 8  # places at which the reply may end
_TAGS = "think|thinking|thoughts?|reasoning|scratchpad"
_THOUGHTS = re.compile(
    rf"<({_TAGS})>.*?(?:</\1>|\Z)|\A.*</(?:{_TAGS})>"
    r"|<\|channel\|>(?:analysis|commentary).*?(?:<\|channel\|>final<\|message\|>|\Z)",
    re.I | re.S,
)
_TURN = re.compile(  # of a chat, by special tokens or by a line such as "user" or "Human:"
    r"<\|?/?(?:im_start|im_end|eot_id|end|endoftext|end_of_text|start_header_id|user|assistant"
    r"|start_of_turn|end_of_turn|eos|s)\|?>|\[/?INST\]"
    r"|^[ \t#*]*(?:user|human|assistant|model|system|instruction)[ \t*]*(?::|$)",
    re.I | re.M,
)
_FURTHER = re.compile(  # a label, a question with an answer below, or a paragraph that asks
    r"^[ \t#*>]*(?:(?:here(?:'s| is)|now|next|another|new|similar|further|follow-?up|bonus|extra"
    r"|practice|additional|try)\b[^\n:]{0,30}?)?"
    r"\b(?:question|problem|exercise|example|task|query|q|challenge|puzzle)\s*#?[\d.]*[A-Z]?"
    r"[ \t*]*(?:[:.)]|-\s|$)\W*"
    r"|^(?P<asks>[^\n]*\?)[ \t]*\n[\n \t]{0,9}[^\w\n]{0,9}(?:answer|solution|a)[^\w\n]{0,9}:"
    r"|(?<=\n\n)(?=[^\n=]{0,900}\b(?:(?:how|what)\b[^\n=]{0,400}\?"
    r"|(?:calculate|find)\b[^\n=]{0,400}[.?][ \t]*$))",
    re.I | re.M,
)
_NOTE = re.compile(
    r"^[ \t*_>#(]*(?:note|n\.?b\.?|p\.?s\.?|remark|fun fact|tip|reminder|caveat|disclaimer)\b"
    r"[^\n:]{0,30}:(?:.(?!\n\s*\n))*.?|\bnote that\b[^\n.]*",
    re.I | re.M | re.S,
)
_CHECK = re.compile(
    r"(?:^|(?<=[.!?:] ))[^\w\n]{0,8}(?:<\w+>)?(?:step \d+\W{1,4}|\d+[.)]\W{1,4})?"
    r"(?:(?:let's|let us|let me|i will|i'll|we can|you can|we|to|now|wait,|and|also|just|quickly"
    r"|quick|sanity|final) ){0,5}"
    r"(?:(?:double|cross|re)[- ]?check|check|verif(?:y|ication)|confirm|proof|prove|validat"
    r"|explanation|step[- ]by[- ]step (?:explanation|solution)|reasoning|justification|breakdown"
    r"|alternative|another (?:way|method|approach)|here(?:'s| is) (?:the|a|how|why)\b"
    r"|in other words|note\W*$|(?:does|do) (?:this|it|that) (?:work|fit)"
    r"|(?:substituting|plugging)[\w ]{0,20}:"
    r"|test(?:ing)?:|follow-?up|bonus)(?!\w*\s+(?:how|what|which|each|every|out)\b)",
    re.I | re.M,
)
_CORRECTION = re.compile(
    r"\b(?:wait|hold on|oops|no)\b[,.!]+(?! (?:let me |let's )?(?:double|check|verif))"
    r"|(?:^|[.!?]\s)[^\w\n]*(?:actually|correction)\b"
    r"|\b(?:i|we)(?:'ve| have)? made an? (?:mistake|error)"
    r"|\bthat(?:'s| is| was) (?:wrong|not right|incorrect)"
    r"|\blet me (?:redo|recalculate|correct|reconsider|try again)",
    re.I | re.M,
)


def read_answer(text: str, question: str, *, finish: str | None = None) -> Reading:
    """The number that ``text`` gives as the answer to ``question``.

    ``finish``: ``length`` if the answer is known to be cut off, ``None`` if that is unknown.
    """
    asked = asked_by(question)
    text = (_THOUGHTS.sub("", text) if "<" in text else text)[-_LONGEST:]
    if not text.strip():
        return Reading(None, "no answer after the thoughts")
    text = _NOTE.sub(lambda m: "" if re.search(r"\d", text[: m.start()]) else m[0], text)
    reply = _reply(text, asked)
    if len(reply) < len(text):
        finish = "stop"  # what goes on afterwards was not cut off before
    for check in islice(_CHECK.finditer(reply), _TRIES):
        before, after = reply[: check.start()], reply[check.start() :]
        reading = _read(before, asked, "stop")
        if _settled(reading):
            return _marked(after, asked, finish) or _corrected(after, asked) or reading
    return _read(reply, asked, finish)


def _reply(text: str, asked: Asked) -> str:
    """``text`` up to the next turn, or to the next question that is not about the asked one."""
    for turn in islice(_TURN.finditer(text), _TRIES):
        sentences = SENTENCE.split(_TURN.sub("", text[: turn.start()]).strip())
        if not all(s.endswith("?") or asked.restated(s) for s in sentences):
            text = text[: turn.start()]
            break
    for further in islice(_FURTHER.finditer(text), _TRIES):
        before = text[: further.start()]
        question = re.split(r"\?|\n\s*\n", text[further.end() : further.end() + 600])[0]
        known = asked.numbers | {n.value for n in numbers(before)}
        new_numbers = not {n.value for n in numbers(question)} <= known
        has_label = bool(further[0])
        other = further["asks"] or not asked.familiar(question, before)
        if (other or (has_label and new_numbers)) and _settled(_read(before, asked, "stop")):
            return before
    return text


def _settled(reading: Reading) -> bool:
    return reading.value is not None and reading.how != _REPEATED


def _read(text: str, asked: Asked, finish: str | None) -> Reading:
    return _marked(text, asked, finish) or _unmarked(text, asked, finish)


def _corrected(text: str, asked: Asked) -> Reading | None:
    """The result of a correction in ``text``, which follows a stated result."""
    correction = _CORRECTION.search(text)
    if not correction:
        return None
    stated = list(_statements(_plain(text[correction.end() :], asked), asked))
    return _last(stated, asked, "corrected afterwards")


# 2. Marks

_MARK = re.compile(
    r"(?<!\#)\#{3,}+(?![^\n]{0,200}\banswer)[ \t:]*(?P<hash>[^\n]*)"
    r"|\\(?:boxed|fbox)\s*\{(?P<boxed>(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
    r"|<answer>(?P<tag>[^<]{0,300})"
    r"|(?P<label>^[^\w\n]{0,6}(?:A|Ans)\b[^\w\n]{0,4}:"
    r"|^[^\w\n]{0,8}(?:(?:the|your|final|correct)\s){0,2}answers?[^\w\n]*$"
    r"|(?<!\bno )(?<!intermediate )(?<!partial )\b(?:answers?|final (?:result|value|total))\b"
    r"(?!\s*(?:key|sheet|format|explanation|choices?|options?|template|box|guide)\b)"
    r"[^\n\d$.,:;=?!]{0,60}?(?:[:=]|\b(?:is|was|are|be|comes to|becomes)\b"
    r"(?! (?:found|obtained|calculated|computed|reached|determined|given)\b)))",
    re.I | re.M,
)
# A mark that a model copied from the prompt without a number: "The final answer is ####."
_EMPTY_MARK = re.compile(
    r"(?:final answer:?\s*)?(?:the (?:final )?(?:numerical )?answer is:?\s*)?"
    r"(?<!#)#{3,}+[^\n\d]*+$",
    re.I | re.M,
)
_SOUGHT = re.compile(  # what precedes an answer that is not given yet: "to find the", "check the"
    r"\bto (?:\w+ ){1,3}$|\b(?:find|check|verify|checking|verifying|for) (?:\w+ ){1,2}$", re.I
)
# "B:" below "A:" means multiple choice.
_OPTION = re.compile(r"^\W{0,4}B\W{0,3}[:.)]", re.M)
_CLAUSAL = re.compile(r"\b(?:is|was|are|be|to|becomes)$", re.I)
_LEAD = re.compile(  # what may precede the number of a bare answer
    r"[^\w(]*(?:(?:about|approximately|around|roughly|exactly|only|just|it is|it's)\s+)*[^\w(]*",
    re.I,
)
_REST = re.compile(
    r"\s[\d\s]*$|[^\d\n=+*×÷]*$"  # no further number in the line, or a unit of at most four words
    r"|(?:[ /-]?[^\W\d]+|[%°²^']){0,4}\s*(?:[.!?;,(]|[-–—] (?=[A-Za-z])|\bbecause\b|\bsince\b)",
    re.I,
)
_HASHES = re.compile(r"^[ \t]*#{3,}", re.M)
_EXPRESSION = re.compile(r"\d\s*[+*×÷]\s*\(?\d(?!0(?:\^|\*\*))")  # not a power of ten


def _marked(text: str, asked: Asked, finish: str | None) -> Reading | None:
    """The last mark with a number; if cut off, without a number that the cut may have split."""
    stop = len(text)
    for mark in reversed([m for m in _MARK.finditer(text) if not _announced(m)]):
        content, stop = text[mark.end() : stop], mark.start()
        if mark["label"]:
            reading, rest = _labelled(mark["label"], content, asked, finish)
        else:
            number, rest = _enclosed(mark, asked), text[mark.end() :]
            reading = Reading(number.value, _MARKED) if number else None
        split = finish == "length" and re.search(r"[\d.,]$", text.rstrip()) and not rest.strip()
        if reading and not split:
            return _corrected(rest, asked) or reading
    return None


def _announced(mark: re.Match[str]) -> bool:
    """Whether the "answer" of ``mark`` is still looked for, or is an option of several."""
    if mark["label"] is None:
        return False
    before = mark.string[max(0, mark.start() - 40) : mark.start()]
    is_option = mark["label"].strip(" *#:>\n") == "A" and _OPTION.search(
        mark.string, mark.end(), mark.end() + 200
    )
    return bool(is_option or _SOUGHT.search(before))


def _labelled(
    label: str, content: str, asked: Asked, finish: str | None
) -> tuple[Reading | None, str]:
    """The result in the text after "Answer:" or in the clause after "The answer is".

    Also what follows it.
    """
    plain = _plain(content, asked, inline=True).lstrip(" :\n")
    if re.match(r"\W*(?:unknown|undetermined|indeterminate)\b", plain):
        return Reading(None, _NO_NUMBER), ""
    if re.match(r"\W*not\b", plain):
        return None, ""
    if number := _bare(plain.partition("\n")[0], asked):
        return Reading(number.value, _MARKED), plain[number.end :]
    if _CLAUSAL.search(label):
        plain = SENTENCE.split(plain)[0]
    stated = _statements(_without_end(plain) if finish == "length" else plain, asked)
    return _last(list(stated), asked, _MARKED), ""


def _enclosed(mark: re.Match[str], asked: Asked) -> Number | None:
    """The number in a box, in a tag, or after ``####`` if that is not a heading."""
    if mark["hash"] is None:
        return _boxed(strip_latex(mark["boxed"] or mark["tag"] or ""), asked)
    plain = _plain(mark["hash"], asked)
    equation = "=" in plain
    number = _boxed(plain, asked) if equation else _bare(plain, asked)
    if number and re.search(r"\d", mark.string[mark.end() :]):
        hashes = [m.start() for m in _HASHES.finditer(mark.string)]
        numbered = len(hashes) > 1 and number.value == sum(h <= mark.start() for h in hashes)
        alone = not re.search(r"\w", plain[number.end :]) and not numbered
        if equation or not (alone or asked.in_unit(plain, number)):
            return None
    return number


def _boxed(plain: str, asked: Asked) -> Number | None:
    """The number after the last ``=``: the one in the asked unit, or the first one.

    ``None`` for alternatives ("18 or 20") and expressions.
    """
    start = plain.rfind("=") + 1
    candidates = asked.read(plain, start)
    if not candidates or _alternatives(plain, candidates) or _EXPRESSION.search(plain, start):
        return None
    return next((n for n in candidates if asked.in_unit(plain, n)), candidates[0])


def _bare(line: str, asked: Asked) -> Number | None:
    """The number that ``line`` consists of, apart from its unit and remarks."""
    first = next(iter(asked.read(line)), None)
    if first is None or asked.in_unit(line, first) is False:
        return None
    bare = _LEAD.fullmatch(line[: first.start]) and _REST.match(line, first.end)
    return first if bare else None


# 3. Statements

_CUT_WORDS = 90  # an unfinished last sentence means "cut off" only in an answer of this length
_CLAUSE_LENGTH = 500
_PROSE = re.compile(r"(?:[A-Za-z]{2,}\W+){2}[A-Za-z]{2,}")
_STEP = re.compile(
    r"\b(?:step|equation|stage|method|option)s? #?\d+\b[ \t]*[-–—:.)]?"
    r"|^[^\w\n]*(?:part|phase|case|section) \d+[ \t]*:",
    re.I | re.M,
)
_LABEL = re.compile(r"^[ \t>*•-]*(?:\(?(\d{1,2})[.)](?!\d)|\(?[a-z]\)|[*•>-])[ \t]+(?=\S)", re.I)
_HEADING = re.compile(
    r"[ \t]*(?:#{1,6}|\*\*(?=[^*\n]+\*\*:?[ \t]*$)(?=\W*(?:step|part|\d+[.)]|[^*\n]*:\*\*)))", re.I
)
_SYMBOL = re.compile(r"(?<![\w'])([A-Za-z])\s*[=<>≤≥+*×÷^]|[=<>≤≥+*×÷]\s*([A-Za-z])(?![\w'])")
# One-letter units written on to a number, as in "350g", which ``25g = 100`` is not.
_GLUED = re.compile(r"(?<=\d)[gmlLhsGMKCF](?![\w(^])")
_LET = re.compile(
    r"\blet ['$]?([A-Za-z](?:_\w+)?)['$]? (?:be|represent|denote) "
    r"(.{1,200}?)(?=,? and let|[.\n]|$)",
    re.I,
)
_ASSIGNED = re.compile(r"(?:we have |so |then )?([A-Za-z](?:_\w+)?) =", re.I)
_REMARK = re.compile(
    r"\b(?:let me know|feel free|hope (?:this|that|it) helps|ask (?:me|if)"
    r"|if you (?:have|need|want|would like))\b",
    re.I,
)
_HYPOTHETICAL = re.compile(r"[^\w\n]*(?:if|suppose|had)\b[^\n]*\bwould\b", re.I)
_UNDETERMINED = re.compile(
    r"\b(?:can(?:no|')?t|can not|could not|couldn't|impossible to|not possible to|unable to|no way"
    r" to)\s(?:\w+ )?(?:be |get )?(?:determine|calculate|tell|say|know|answer|solve|compute|deduce)"
    r"|\bcan(?:not|'t) be (?:found|known)|\b(?:not enough|insufficient|too little) (?:information"
    r"|data)|\b(?:is|are|remains?) (?:unknown|undetermined|indeterminate|unanswerable)\b",
    re.I,
)
_BECAUSE = re.compile(
    r"\W*(?:(?:this|that|it)(?:'s| is) )?(?:correct |right |true )?because\b", re.I
)
_REASON = re.compile(
    r"(?<=[\w)%]),?\s+(?:(?:because|since|of which)\b|(?:after|before) \w+ing\b(?=[^=]*$))", re.I
)
_CONCLUSION = re.compile(
    r",?\s+(?:so|which|then|therefore|thus|hence)\b[, ]*|,\s+(?=[A-Z]\w* =)", re.I
)
_BESIDE = re.compile(
    r",?\s+(?:and|while|whereas|but)\s+|;\s+|,\s+(?=[A-Za-z ]{2,40}[:=]\s*[$\d])", re.I
)
_ELABORATES = re.compile(
    r"\W*(?:in \w+, )?(?:this|that) (?:is|equals|makes)\b"
    r".*?\d (?!(?:left|remaining|together)\b)[a-z]{3,}",
    re.I,
)


def _unmarked(text: str, asked: Asked, finish: str | None) -> Reading:
    body = _plain(_EMPTY_MARK.sub("", text), asked).rstrip()
    stated = list(_statements(body, asked))
    if finish == "length" or (finish is None and _looks_cut(body)):
        meanings = symbols(body)
        whole = list(_statements(_without_end(body), asked))
        if finish == "length" or not _ends(body, stated, len(whole), asked):
            best = max((_fit(s, asked, meanings) for s in whole), default=0)
            about = [s for s in whole if _fit(s, asked, meanings) == best]
            if about and asked.enough(best):
                return Reading(about[-1].value, "stated before it was cut off")
            return Reading(None, "no result stated before it was cut off")
    return _last(stated, asked, "stated last") or Reading(None, "no result stated")


def _last(stated: list[Statement], asked: Asked, how: str) -> Reading | None:
    """The last result that is neither a number of the question nor a remark in another unit."""
    results = [
        s for s in stated if s.value not in asked.numbers or s.derived or asked.replies(s.clause)
    ]
    if not results:
        return Reading(stated[-1].value, _REPEATED) if stated else None
    last = results[-1]
    if asked.about_others(last.clause) and not last.derived:
        last = next((s for s in reversed(results) if asked.names(s.clause)), last)
    other = last.unit is False or (last.unit is None and _ELABORATES.match(last.clause))
    if other and not last.derived and not asked.replies(last.clause):
        last = next((s for s in reversed(results) if s.unit), last)
    return Reading(last.value, how if last.value is not None else _NO_NUMBER)


def symbols(body: str) -> dict[str, str]:
    """The symbols that ``body`` defines, with their meanings.

    "Let R be the total number of raspberries" gives ``{"R": "the total number of raspberries"}``.
    """
    return {m[1]: m[2] for m in _LET.finditer(body)}


def _fit(statement: Statement, asked: Asked, meanings: dict[str, str]) -> int:
    assigned = _ASSIGNED.match(statement.clause)
    clause = meanings.get(assigned[1], statement.clause) if assigned else statement.clause
    return asked.fit(clause, statement.unit)


def _looks_cut(body: str) -> bool:
    """Whether a long text ends without a final stop, though most of its other lines have one."""
    if re.search(r"[=+*/×÷(]$", body):
        return True
    if len(body.split()) < _CUT_WORDS or re.search(r"[.!?)\]}%]$", body):
        return False
    *lines, _ = [s for line in body.split("\n") if _PROSE.search(s := line.rstrip())] or [""]
    return 2 * sum(line.endswith((".", "!", "?", ":")) for line in lines) > len(lines)


def _ends(body: str, stated: list[Statement], whole: int, asked: Asked) -> bool:
    """Whether the last of ``stated``, without a final stop, is a complete result.

    ``whole``: the number of statements before the last sentence.
    """
    if len(stated) <= whole:
        return False
    last, fits = stated[-1].clause, [_fit(s, asked, {}) for s in stated]
    replies = fits[-1] == max(fits) or asked.replies(last)
    return computes(last) or (replies and body[-1].isalpha())


def _without_end(body: str) -> str:
    """``body`` without an unfinished last sentence, or without a number that ends its only one."""
    if re.search(r"[.!?]$", body):
        return body
    ends = [m.start() for m in SENTENCE.finditer(body.rstrip())]
    return body[: ends[-1]] if ends else re.sub(r"[$\d.,]+$", "", body)


def _plain(text: str, asked: Asked, *, inline: bool = False) -> str:
    """``text`` without markup, headings and labels, with digits for number words.

    ``inline``: whether ``text`` starts within a line, so that its first number is no label.
    """
    lines, below = [], False
    for line in reversed(text.split("\n")):
        heading = _HEADING.match(line)
        if not (heading and below):
            lines.append(line[heading.end() :] if heading else line)
        below = below or bool(re.search(r"\d", line))
    text = strip_latex("\n".join(reversed(lines)))
    text = re.sub(r"=[ \t]*\n\s*(?=[-$€£\d(])", "= ", text)
    text = re.sub(r"\b(is|was|be) (?:minus|negative) (?=\d)", r"\1 -", text)
    text = re.sub(r"(\d) dollars? and (\d)(\d)? cents?\b", _in_dollars, text)
    used = {a or b for a, b in _SYMBOL.findall(text)}
    text = _GLUED.sub(lambda m: m[0] if m[0] in used else f" {m[0]}", text)
    return asked.in_digits(_without_labels(_STEP.sub("", text), inline))


def _in_dollars(m: re.Match[str]) -> str:
    return f"{m[1]}.{m[2] + m[3] if m[3] else '0' + m[2]} dollars"


def _without_labels(text: str, inline: bool) -> str:
    lines, last = [], 0
    for i, line in enumerate(text.split("\n")):
        label = _LABEL.match(line)
        if label and (i or not inline) and (not label[1] or int(label[1]) in (1, last + 1)):
            last = int(label[1] or last)
            line = line[label.end() :]
        lines.append(line)
    return "\n".join(lines)


def _statements(body: str, asked: Asked) -> Iterator[Statement]:
    """The results that ``body`` states, in order."""
    meanings = symbols(body)
    for sentence in map(str.strip, SENTENCE.split(body)):
        remark = _REMARK.search(sentence) or _BECAUSE.match(sentence)
        if not asked.hypothetical:
            remark = remark or _HYPOTHETICAL.match(sentence)
        if not sentence or sentence.endswith("?") or remark or asked.restated(sentence):
            continue
        if undetermined := _UNDETERMINED.search(sentence):
            _, contrast, sentence = sentence[undetermined.end() :].partition(" but ")
            if not contrast:
                yield Statement(sentence, None)
                continue
        sentence = _INSTEAD.sub("", _ASIDE.sub("", sentence))
        reason = _REASON.search(sentence)
        claim = sentence[: reason.start()] if reason else sentence
        for part in _CONCLUSION.split(claim if asked.read(claim) else sentence):
            clauses = [s for c in _BESIDE.split(part) if (s := _statement(c, asked))]
            own = [s for s in clauses if not asked.about_others(s.clause)]
            if len(clauses) < 2 or (
                len(own) == len(clauses) and len({s.derived for s in clauses}) > 1
            ):
                own = clauses = [s for s in [_statement(part, asked)] if s]
            clauses = [s for s in own if s.unit] or own or clauses
            best = max((_fit(s, asked, meanings) for s in clauses), default=0)
            for s in [s for s in clauses if _fit(s, asked, meanings) == best][-1:]:
                yield replace(s, derived=s.derived or reason is not None)


# 4. The number of a statement

_COPULA = re.compile(r"\b(?:is|are|was|were|be|equals|totals|only)\b|:(?!\d\d)", re.I)
_BESIDES = re.compile(
    r"\b(?:over|in|for|after|within|during|per|every|by|on|from|than|at)"
    r" (?:the |all |all of the )?$|\bof (?:the|his|her|their|those) $",
    re.I,
)
_ELIDED = re.compile(r" (?:is|are|was|were|remain|remains) \w")  # "20 are blue": 20 of the unit
_NEGATED = re.compile(r"(?:\bnot|n't)\s+(?:(?!(?:is|are|was|were)\b)\w+\s+){0,2}[$€£]?\d")
_ASIDE = re.compile(  # but not a conversion such as "(90 minutes)"
    r"(?:^|\s)\((?!(?:or |i\.e\.,? |that is,? )?[$€£]?[\d.,]+\s?[a-z]+\))"
    r"(?=[^()]*[A-Za-z]{3})[^()]*\)"
)
_INSTEAD = re.compile(r",?\s+(?:not|rather than|instead of)\s+[$€£]?[\d,.]*\d")
_OPERATOR = re.compile(
    r"\(|\s*\((?=[^()]{0,20}[A-Za-z])|\s*[+*×÷-]\s*[\d$(A-Za-z\\]|\s*/\s*[\d$(]"
    r"|[^,;(]*?[+*×÷]\s*\(?[$\d]"
)
_OPERATION = re.compile(r"[\w)](?:\s*[-+×*÷/]|\()\s*$")
_ALGEBRA = re.compile(r"\d[A-Za-z]\b|\b[A-Za-z]\s*[+×*-]|[+×*/-]\s*\(?[A-Za-z]\b")
_SAME = re.compile(r"(?:\bor|\bi\.e\.|\bthat is|\bequals|\bis|=|\()\W*$", re.I)


def _statement(clause: str, asked: Asked) -> Statement | None:
    text = clause[-_CLAUSE_LENGTH:]
    number = None if _NEGATED.search(text) else _result(text, asked)
    if number is None:
        return None
    unit = asked.in_unit(text, number)
    if unit is None and _ELIDED.match(text, number.end):
        unit = True
    return Statement(clause, number.value, unit, "=" in clause)


def _result(text: str, asked: Asked) -> Number | None:
    """The number that a clause states as its result."""
    if "=" in text:
        return _right_side(text, asked)
    for copula in reversed(list(_COPULA.finditer(text))):
        if asked.read(text, copula.end()):
            number = _predicate(text, copula.end(), asked)
            if number is None and copula[0] == ":":
                return _result(text[: copula.start()], asked)
            if number and number.value in asked.numbers and not asked.in_unit(text, number):
                return _subject(text[: copula.start()], asked) or number  # "8 buses are for 310"
            return number
    candidates = asked.read(text)
    fresh = [n for n in candidates if n.value not in asked.numbers] or candidates
    fresh = [n for n in fresh if not _BESIDES.search(text[: n.start])] or fresh
    if not fresh or _OPERATOR.match(text, fresh[-1].end) or _alternatives(text, candidates[-2:]):
        return None
    in_unit = [n for n in fresh if asked.in_unit(text, n)]
    return (in_unit or [n for n in fresh if n.kind == "money"] or fresh)[-1]


def _subject(text: str, asked: Asked) -> Number | None:
    """The last number in ``text`` in the asked unit, if it is not only a circumstance."""
    return next(
        (
            n
            for n in reversed(asked.read(text))
            if asked.in_unit(text, n) and not _BESIDES.search(text[: n.start])
        ),
        None,
    )


def _predicate(text: str, start: int, asked: Asked) -> Number | None:
    candidates = [
        n
        for n in asked.read(text, start)
        if asked.in_unit(text, n) or not _BESIDES.search(text[: n.start])
    ]
    number = _in_asked_unit(text, candidates, asked)
    if number is None or _OPERATOR.match(text, number.end):
        return None
    return None if _OPERATION.search(text[start : number.start]) else number


def _right_side(text: str, asked: Asked) -> Number | None:
    left, _, right = text.rpartition("=")
    start = len(left) + 1
    number = _in_asked_unit(text, candidates := asked.read(text, start), asked)
    if number is None or _OPERATOR.match(text, number.end):
        return None
    equation = _ALGEBRA.search(left) and "=" not in left and not asked.in_unit(text, candidates[0])
    leads = re.fullmatch(r"[A-Za-z$(\s]{0,25}", right[: candidates[0].start - start])
    return number if leads and not equation else None


def _in_asked_unit(text: str, candidates: list[Number], asked: Asked) -> Number | None:
    """The first number, or a later one that says the same in the asked unit ("or 25%").

    ``None`` for alternatives ("18 or 20").
    """
    if not candidates:
        return None
    first = candidates[0]
    if not asked.in_unit(text, first):
        for number in candidates[1:]:
            same = _SAME.search(text, max(first.end, number.start - 40), number.start)
            if asked.in_unit(text, number) and (same or first.value in asked.numbers):
                return number
    return None if _alternatives(text, candidates) else first


def _alternatives(text: str, candidates: list[Number]) -> bool:
    """Whether the first two of ``candidates`` are joined by "or"."""
    if len(candidates) < 2:
        return False
    return text[candidates[0].end : candidates[1].start].strip().lower() == "or"
