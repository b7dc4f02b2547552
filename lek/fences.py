"""Text of others -> a block of data that it cannot leave, for the prompt of a judge.

What is not covered: what the text says. That a judge must not obey it, its rubric says.
"""

import re
import unicodedata

LIMIT = 20_000
MARK = "%%%%%"
_HEAD = 14_000  # most of what an answer says stands at its start, and its conclusion at the end

# neither seen nor heard: control, format (zero-width, bidi, tags), halves of characters, private
_UNSEEN = {"Cc", "Cf", "Cs", "Co"}
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_LINES = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\ufff0-\ufff8\U000e0000-\U000e0fff]+")
_LOOK_ALIKES = str.maketrans(
    "\uff1c\ufe64\u2039\u276e\u2329\u3008\u27e8\u02c2\u1438\uff1e\ufe65\u203a\u276f\u232a\u3009"
    "\u27e9\u02c3\u1433\uff5c\uff3b\uff3d\uff5b\uff5d\uff05\ufe6a\uff40",
    "<<<<<<<<<>>>>>>>>>|[]{}%%`",
)

# a tag or token of a chat template has no space behind its "<"; "a < b", "<=" and "->" have
_OPENS = re.compile(r"(?<!<)<+(?=[^\s<=-])")
_CLOSES = re.compile(r"(?<=[^\s>=-])>+")
_BRACKETED = re.compile(
    r"\[(\s{0,3}/?\s{0,3}(?:[A-Z][A-Z_]{1,40}|@\w{1,20}@|(?i:inst|sys|system|user|assistant)"
    r"|gMASK|sMASK|multimodal)\s{0,3})\]"
)
_BETWEEN = re.compile(r">>([A-Z]{2,20})<<")
_RUNS = re.compile(r"%[%\u066a]{2,}|`{3,}|~{3,}")
_MARKS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{5,}")


def fence(label: str, text: str, nonce: str) -> str:
    """``text`` made `neutral`, between two lines that name what it is and hold ``nonce``."""
    return (
        f"{MARK} {label} {nonce} begins {MARK}\n{neutral(text)}\n{MARK} {label} {nonce} ends {MARK}"
    )


def neutral(text: str) -> str:
    """``text`` as people see it, without what could close a fence or open a turn of a chat.

    Unseen characters go. Tags and tokens of chat templates get other brackets (``‹eos›``), runs of
    percent signs, backticks and tildes are broken. Of more than `LIMIT` characters the middle is
    left out and said to be. Takes time in proportion to the length.
    """
    seen = _MARKS.sub(lambda m: m[0][:4], _seen(text))
    read = _shortened(seen).translate(_LOOK_ALIKES)
    read = _CLOSES.sub(lambda m: "›" * len(m[0]), _OPENS.sub(lambda m: "‹" * len(m[0]), read))
    read = _BRACKETED.sub(r"‹\1›", _BETWEEN.sub(r"››\1‹‹", read))
    return _RUNS.sub(lambda m: f"{m[0][0]}…{m[0][0]}", read)


def _seen(text: str) -> str:
    """``text`` without unseen characters, its lines and spaces of one kind."""
    text = _SELECTORS.sub("", _LINES.sub("\n", text))
    table: dict[int, str | None] = {}
    for character in set(text) - set("\n\t"):
        kind = unicodedata.category(character)
        if kind in _UNSEEN or character in _BLANKS:
            table[ord(character)] = None
        elif kind == "Zs":
            table[ord(character)] = " "
    return text.translate(table)


def _shortened(text: str) -> str:
    left_out = len(text) - LIMIT
    if left_out <= 0:
        return text
    tail = text[_HEAD + left_out :]
    return f"{text[:_HEAD]}\n[{left_out:,} characters left out here]\n{tail}"
