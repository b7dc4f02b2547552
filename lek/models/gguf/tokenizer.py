"""Build the tokenizer of a GGUF file: byte-level BPE, and the BPE of SentencePiece.

The pieces are the vocabulary, merges and token types of the file. What the file only names, the
pre-tokenizer, is listed here with the expressions that the models' own tokenizers have; llama.cpp
lists the same in ``src/llama-vocab.cpp``.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lek.models.gguf.file import GGUFFile

_KEY = "tokenizer.ggml."
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = range(1, 5)  # types of tokens
_LONGEST = 4096  # characters of a token; finding its merges takes time in their square
_SPACE = "▁"  # how SentencePiece writes a space
# control tokens that end a turn or a text, in models whose file names just one of them
_ENDS = (
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<eos>",
    "</s>",
)

_DIGIT, _NUMBER = r"\p{N}", r"\p{N}{1,3}"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_LOWER, _UPPER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_CAMEL_CASE = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def _words(
    digits: str,
    *,
    contraction: str = _CONTRACTION,
    letters: str = _LETTERS,
    line_end: str = r"[\r\n]*",
) -> str:
    """The expression of Llama 3, and with other parts that of many later models."""
    space = r"\s*[\r\n]+|\s+(?!\S)|\s+"
    return rf"{contraction}{letters}|{digits}| ?[^\s\p{{L}}\p{{N}}]+{line_end}|{space}"


@dataclass(frozen=True)
class _PreTokenizer:
    """How byte-level BPE splits a text into words.

    ``expressions``: applied one after the other; what matches becomes a word, and what lies
    between. ``whole_words``: whether a word that is a token needs no merges. ``begins``: whether
    a text begins with the token for that, unless the file says otherwise.
    """

    expressions: tuple[str, ...]
    whole_words: bool = False
    begins: bool = False


_LLAMA3 = _PreTokenizer((_words(_NUMBER),), whole_words=True, begins=True)
_TEKKEN = _PreTokenizer(
    (_words(_DIGIT, contraction="", letters=_CAMEL_CASE, line_end=r"[\r\n/]*"),),
    whole_words=True,
    begins=True,
)
_DEEPSEEK_CODER = _PreTokenizer(
    (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥\u0800-一가-\ud7ff]+", _DIGIT)
)
_PRE_TOKENIZERS = {
    name: pre_tokenizer
    for names, pre_tokenizer in (
        ("default", _PreTokenizer((r"[\p{P}$+<=>^~|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]"))),
        ("gpt-2 phi-2 olmo mpt jais trillion exaone4", _PreTokenizer((_GPT2,))),
        ("mellum a.x-4.0 gigachat", _PreTokenizer((_GPT2,))),
        ("smollm starcoder refact command-r", _PreTokenizer((_DIGIT, _GPT2))),
        ("codeshell exaone minerva-7b", _PreTokenizer((_DIGIT, _GPT2))),
        ("llama-bpe llama3 llama-v3 falcon3 pixtral midm-2.0", _LLAMA3),
        ("dbrx smaug-bpe", _PreTokenizer((_words(_NUMBER),))),
        ("qwen2 deepseek-r1-qwen megrez", _PreTokenizer((_words(_DIGIT),))),
        ("stablelm2 hunyuan kormo", _PreTokenizer((_words(_DIGIT),))),
        ("seed-coder", _PreTokenizer((_words(_DIGIT, line_end=""),))),
        ("tekken", _TEKKEN),
        ("deepseek-coder", _DEEPSEEK_CODER),
    )
    for name in names.split()
}


class GGUFTokenizer:
    """The tokenizer of the GGUF file ``file``.

    Raises `BadInput` if the file has none, or one of a kind that is not supported.
    """

    def __init__(self, file: GGUFFile) -> None:
        self._file = file
        self.model = file.text(_KEY + "model")
        if self.model not in ("gpt2", "llama"):
            file.refuse(
                f"the tokenizer '{self.model}' is not supported; supported are gpt2 (byte-level "
                "BPE) and llama (SentencePiece)"
            )
        if self.model == "gpt2":
            self._pre_tokenizer()
        # llama.cpp gives tokens without a text the same name
        tokens = file.texts(_KEY + "tokens")
        self.tokens = [token or f"[EMPTY_{i}]" for i, token in enumerate(tokens)]
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if not self.tokens:
            file.refuse("the tokenizer has no tokens")
        if len(self._ids) < len(self.tokens):
            file.refuse("two tokens have the same text")
        if (longest := max(map(len, self.tokens))) > _LONGEST:
            file.refuse(f"a token has {longest:,} characters; at most {_LONGEST:,} are supported")

    @property
    def template(self) -> str | None:
        """The chat template, in Jinja; ``None`` if the file has none."""
        return self._file.text("tokenizer.chat_template", "") or None

    @cached_property
    def begin_id(self) -> int | None:
        """The token that begins a text, if there is one."""
        return self._token_id("bos", default=1 if self.model == "llama" else None)

    @cached_property
    def end_ids(self) -> list[int]:
        """The tokens that end an answer: the end of a text first, then those of a turn."""
        text = self._token_id("eos", default=2 if self.model == "llama" else None)
        named = [self._token_id(name) for name in ("eot", "eom")]
        known = [self._ids[end] for end in _ENDS if end in self._ids]
        control = [i for i in known if self._types[i] == _CONTROL]
        return list(dict.fromkeys(i for i in (text, *named, *control) if i is not None))

    def config(self) -> dict[str, Any]:
        """Return the contents of ``tokenizer_config.json``."""
        end = self.end_ids[0] if self.end_ids else None
        unknown = self._unknown_id if self.model == "llama" else None
        names = {
            "bos_token": self.begin_id,
            "eos_token": end,
            "unk_token": unknown,
            "pad_token": self._token_id("padding"),
        }
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            **{name: self.tokens[i] for name, i in names.items() if i is not None},
        }

    def build(self) -> Any:
        """Return the tokenizer as a ``tokenizers.Tokenizer``.

        Raises `BadInput` if the vocabulary, merges or scores contradict each other.
        """
        from tokenizers import AddedToken

        tokenizer = self._byte_level() if self.model == "gpt2" else self._sentencepiece()
        # a run of spaces that is a token is found in the text as SentencePiece writes it, unless
        # a space is put before each text, which would then be put before the token as well
        spaces = self.model == "llama" and not self._space_prefix
        for kinds, add in (
            ((_CONTROL, _UNKNOWN), tokenizer.add_special_tokens),
            ((_USER_DEFINED,), tokenizer.add_tokens),
        ):
            ids = np.flatnonzero(np.isin(self._types, kinds)).tolist()
            texts = [self.tokens[i] for i in ids]
            add([AddedToken(t, normalized=spaces and _SPACE in t) for t in texts])
        self._frame(tokenizer)
        return tokenizer

    def _byte_level(self) -> Any:
        """Byte-level BPE, as in GPT-2."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        pre = self._pre_tokenizer()
        model = models.BPE(self._ids, self._merges(), ignore_merges=pre.whole_words)
        tokenizer = Tokenizer(model)
        splits = [pre_tokenizers.Split(Regex(e), "isolated") for e in pre.expressions]
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    def _sentencepiece(self) -> Any:
        """The BPE of SentencePiece: no words, and bytes for characters without a token."""
        from tokenizers import Tokenizer, decoders, models, normalizers

        unknown = self.tokens[self._unknown_id]
        model = models.BPE(
            self._ids, self._scored_merges(), unk_token=unknown, fuse_unk=True, byte_fallback=True
        )
        tokenizer = Tokenizer(model)
        spaces = normalizers.Replace(" ", _SPACE)
        decoder = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        if self._space_prefix:
            tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), spaces])
            decoder.append(decoders.Strip(" ", 1, 0))
        else:
            tokenizer.normalizer = spaces
        tokenizer.decoder = decoders.Sequence(decoder)
        return tokenizer

    def _frame(self, tokenizer: Any) -> None:
        """Let texts begin and end with the tokens for that, as far as the file wants it."""
        from tokenizers import processors

        begins = self.model == "llama" or self._pre_tokenizer().begins
        frame: dict[str, int] = {}
        if self._file.flag(_KEY + "add_bos_token", begins) and self.begin_id is not None:
            frame["begin"] = self.begin_id
        if self._file.flag(_KEY + "add_eos_token", False) and self.end_ids:
            frame["end"] = self.end_ids[0]
        # names of their own, since those of the tokens could have a meaning in a template
        tokens = [{"id": n, "ids": [i], "tokens": [self.tokens[i]]} for n, i in frame.items()]
        parts = [part for part in ("begin", "$A", "end") if part == "$A" or part in frame]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=parts, special_tokens=tokens
        )

    def _pre_tokenizer(self) -> _PreTokenizer:
        name = self._file.text(_KEY + "pre", "default")
        if name not in _PRE_TOKENIZERS:
            self._file.refuse(
                f"the pre-tokenizer '{name}' is not supported; docs/subjects.md says which are"
            )
        return _PRE_TOKENIZERS[name]

    def _merges(self) -> list[tuple[str, str]]:
        """The merges of the file, whose halves are separated by a space."""
        merges = []
        for merge in self._file.texts(_KEY + "merges"):
            space = merge.find(" ", 1)  # a half may begin with a space
            left, right = merge[:space], merge[space + 1 :]
            if space < 0 or not {left, right, left + right} <= self._ids.keys():
                self._file.refuse(f"the merge '{merge}' is not of two tokens that make a third")
            merges.append((left, right))
        return merges

    def _scored_merges(self) -> list[tuple[str, str]]:
        """All merges of two tokens into a third, the one with the highest score first."""
        scores = self._of_each_token("scores").astype(float)
        if not np.isfinite(scores).all():
            self._file.refuse("a score is not a finite number")
        merges = []
        for i, token in enumerate(self.tokens):
            halves = ((token[:k], token[k:]) for k in range(1, len(token)))
            pairs = [p for p in halves if p[0] in self._ids and p[1] in self._ids]
            pairs.sort(key=lambda p: (self._ids[p[0]], self._ids[p[1]]))
            merges += [(-scores[i], pair) for pair in pairs]
        merges.sort(key=lambda merge: merge[0])  # equal scores keep their order
        return [pair for _, pair in merges]

    @cached_property
    def _space_prefix(self) -> bool:
        return self._file.flag(_KEY + "add_space_prefix", True)

    @cached_property
    def _types(self) -> np.ndarray:
        if _KEY + "token_type" not in self._file.metadata:
            return np.full(len(self.tokens), _NORMAL)
        return self._of_each_token("token_type")

    def _of_each_token(self, key: str) -> np.ndarray:
        values = self._file.array(_KEY + key)
        if len(values) != len(self.tokens):
            self._file.refuse(f"{_KEY}{key} has {len(values)} values for {len(self.tokens)} tokens")
        return values

    @cached_property
    def _unknown_id(self) -> int:
        unknown = self._token_id("unknown", default=0)
        assert unknown is not None
        return unknown

    def _token_id(self, name: str, default: int | None = None) -> int | None:
        """The token that the file names for a purpose, or ``default`` if it names none."""
        key = f"{_KEY}{name}_token_id"
        if key not in self._file.metadata:
            return default if default is not None and default < len(self.tokens) else None
        token = self._file.integer(key)
        if not 0 <= token < len(self.tokens):
            self._file.refuse(f"{key} = {token}: there are {len(self.tokens)} tokens")
        return token
