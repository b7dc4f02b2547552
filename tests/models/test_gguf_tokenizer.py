"""Tokenizers of GGUF files give the tokens of the libraries that their vocabularies come from.

With llama.cpp's vocabulary tests in a directory that the environment variable LEK_LLAMA_CPP_VOCABS
names (``models`` of llama.cpp: ``ggml-vocab-*.gguf`` with ``.inp`` and ``.out``), llama.cpp's own
tokens are compared too.
"""

import io
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import llama_cpp
from support.texts import ENGLISH, TEXTS, random_texts
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from lek.errors import BadInput
from lek.models.gguf.file import read
from lek.models.gguf.tokenizer import GGUFTokenizer


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return TEXTS + random_texts()


def in_file(tmp_path: Path, **metadata: Any) -> GGUFTokenizer:
    """The tokenizer of a GGUF file with the metadata ``tokenizer.ggml.KEY`` and no tensors."""
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    for key, value in metadata.items():
        llama_cpp.add(writer, f"tokenizer.ggml.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return GGUFTokenizer(read(tmp_path / "m.gguf"))


def bytes_alone() -> dict[str, Any]:
    """Byte-level BPE with a token for each byte, and one for two spaces."""
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ĠĠ"]
    return {"model": "gpt2", "tokens": tokens, "merges": ["Ġ Ġ"]}


SENTENCE = "It's 1234 isn't\n\n  x+= 56!?\r\n CamelCase12 don'T/"
WORDS = {
    "default": "It|'|s| |123|4| isn|'|t|\n\n | x|+=| |56|!?|\r\n| CamelCase|12| don|'|T|/",
    "gpt-2": "It|'s| 1234| isn|'t|\n\n | x|+=| 56|!?|\r\n| CamelCase|12| don|'|T|/",
    "smollm": "It|'s| |1|2|3|4| isn|'t|\n\n | x|+=| |5|6|!?|\r\n| CamelCase|1|2| don|'|T|/",
    "llama-bpe": "It|'s| |123|4| isn|'t|\n\n| | x|+=| |56|!?\r\n| CamelCase|12| don|'T|/",
    "dbrx": "It|'s| |123|4| isn|'t|\n\n| | x|+=| |56|!?\r\n| CamelCase|12| don|'T|/",
    "qwen2": "It|'s| |1|2|3|4| isn|'t|\n\n| | x|+=| |5|6|!?\r\n| CamelCase|1|2| don|'T|/",
    "seed-coder": "It|'s| |1|2|3|4| isn|'t|\n\n| | x|+=| |5|6|!?|\r\n| CamelCase|1|2| don|'T|/",
    "tekken": "It|'s| |1|2|3|4| isn|'t|\n\n| | x|+=| |5|6|!?\r\n| Camel|Case|1|2| don|'T|/",
    "deepseek-coder": (
        "It|'|s| |1|2|3|4| isn|'|t|\n|\n| | x|+= |5|6|!?|\r|\n| CamelCase|1|2| don|'|T|/"
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_each_pre_tokenizer_finds_its_words(name: str, tmp_path: Path) -> None:
    tokenizer = in_file(tmp_path, pre=name, **bytes_alone()).build()
    words = tokenizer.pre_tokenizer.pre_tokenize_str(SENTENCE)
    assert "|".join(SENTENCE[start:end] for _, (start, end) in words) == WORDS[name]


def test_a_file_that_names_no_pre_tokenizer_has_the_default_one(tmp_path: Path) -> None:
    tokenizer = in_file(tmp_path, **bytes_alone()).build()
    words = tokenizer.pre_tokenizer.pre_tokenize_str(SENTENCE)
    assert "|".join(SENTENCE[start:end] for _, (start, end) in words) == WORDS["default"]


def merges_of(tokenizer: Tokenizer) -> list[str]:
    """The merges of a tokenizer, as a GGUF file has them."""
    return [" ".join(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]


EXPRESSIONS = {  # each as in the tokenizer.json of a model
    "gpt-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "qwen2": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "llama-bpe": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_byte_level_bpe_gives_the_tokens_of_the_original(
    name: str, texts: list[str], tmp_path: Path
) -> None:
    original = Tokenizer(models.BPE())
    original.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(EXPRESSIONS[name]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    original.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=alphabet, special_tokens=["<|x|>"], show_progress=False
    )
    original.train_from_iterator(ENGLISH.splitlines(keepends=True) * 3, trainer)
    vocabulary = original.get_vocab()
    merges = merges_of(original)
    assert len(merges) > 100
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    again = in_file(
        tmp_path,
        model="gpt2",
        pre=name,
        tokens=tokens,
        token_type=[3 if t == "<|x|>" else 1 for t in tokens],
        merges=merges,
    ).build()
    for text in texts:
        ids = original.encode(text).ids
        assert again.encode(text, add_special_tokens=False).ids == ids
        assert again.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("prefix", [True, False])
def test_sentencepiece_gives_the_tokens_of_the_original(
    prefix: bool, texts: list[str], tmp_path: Path
) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(ENGLISH.splitlines() * 20),
        model_writer=model,
        vocab_size=500,
        model_type="bpe",
        byte_fallback=True,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        # with a prefix, a space would be put before each text that follows one of them
        user_defined_symbols=[] if prefix else ["<turn>", "\n\n", "▁▁", "▁▁▁"],
        hard_vocab_limit=False,
        minloglevel=2,
    )
    original = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    kinds = {0: 2, 1: 3, 2: 3} | ({} if prefix else dict.fromkeys(range(3, 7), 4))
    order = list(range(original.get_piece_size()))
    random.Random(0).shuffle(order)  # noqa: S311  # the merges follow the scores, not the ids
    again = in_file(
        tmp_path,
        model="llama",
        tokens=[original.id_to_piece(i) for i in order],
        scores=[original.get_score(i) for i in order],
        token_type=[6 if original.is_byte(i) else kinds.get(i, 1) for i in order],
        unknown_token_id=order.index(0),
        add_space_prefix=prefix,
    ).build()
    for text in texts:
        ids = again.encode(text, add_special_tokens=False).ids
        assert [order[i] for i in ids] == original.encode(text)
        assert again.decode(ids, skip_special_tokens=False) == text


def test_a_word_that_is_a_token_needs_no_merges_in_llama_3(tmp_path: Path) -> None:
    tokens = bytes_alone()["tokens"]
    vocabulary = bytes_alone() | {"tokens": [*tokens, "abc"]}
    for pre, words in (("llama-bpe", ["abc"]), ("dbrx", ["a", "b", "c"])):
        tokenizer = in_file(tmp_path, pre=pre, **vocabulary, bos_token_id=5)
        ids = tokenizer.build().encode("abc", add_special_tokens=False).ids
        assert [tokenizer.tokens[i] for i in ids] == words


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "a"),
        ({"pre": "llama-bpe"}, "<s:$A> a"),
        ({"pre": "llama-bpe", "add_bos_token": False}, "a"),
        ({"add_bos_token": True}, "<s:$A> a"),
        ({"add_bos_token": True, "add_eos_token": True}, "<s:$A> a </s>"),
    ],
)
def test_texts_begin_and_end_as_the_file_says(
    settings: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    tokens = [*bytes_alone()["tokens"], "<s:$A>", "</s>"]
    begin = len(tokens) - 2
    vocabulary = bytes_alone() | {
        "tokens": tokens,
        "bos_token_id": begin,
        "eos_token_id": begin + 1,
    }
    tokenizer = in_file(tmp_path, **vocabulary, **settings).build()
    assert " ".join(tokenizer.encode("a").tokens) == expected


def test_control_and_user_defined_tokens_are_found_in_a_text(tmp_path: Path) -> None:
    tokens = [*bytes_alone()["tokens"], "<|turn|>", "<think>", "<unused>"]
    kinds = [1] * (len(tokens) - 3) + [3, 4, 5]
    vocabulary = bytes_alone() | {"tokens": tokens, "token_type": kinds}
    tokenizer = in_file(tmp_path, **vocabulary).build()
    encoded = tokenizer.encode("<|turn|>a<think><unused>")
    assert encoded.tokens[:3] == ["<|turn|>", "a", "<think>"]
    assert len(encoded.tokens) == 3 + len("<unused>")
    assert tokenizer.decode(encoded.ids) == "a<think><unused>"  # control tokens are left out


@pytest.mark.parametrize(
    ("extra", "kinds", "settings", "ends"),
    [
        (["<eos>", "<end_of_turn>"], [3, 3], {"eos_token_id": 0}, [0, 1]),
        (["<eos>", "<end_of_turn>"], [3, 3], {"eos_token_id": 1}, [1, 0]),
        (["<|endoftext|>", "<|im_end|>"], [3, 3], {"eos_token_id": 1}, [1, 0]),
        (["<eos>", "</s>"], [3, 4], {"eos_token_id": 0}, [0]),  # in Gemma a tag of HTML
        (["<end>", "<turn>", "<more>"], [3, 3, 3], {"eos_token_id": 0, "eot_token_id": 1}, [0, 1]),
        (["<end>", "<turn>", "<more>"], [3, 3, 3], {"eos_token_id": 0, "eom_token_id": 2}, [0, 2]),
        (["<end>"], [3], {}, []),
    ],
)
def test_all_tokens_that_end_a_text_or_a_turn_end_an_answer(
    extra: list[str], kinds: list[int], settings: dict[str, int], ends: list[int], tmp_path: Path
) -> None:
    tokens = [*extra, *bytes_alone()["tokens"]]
    vocabulary = bytes_alone() | {
        "tokens": tokens,
        "token_type": kinds + [1] * (len(tokens) - len(extra)),
    }
    assert in_file(tmp_path, **vocabulary, **settings).end_ids == ends


SENTENCEPIECE = {
    "model": "llama",
    "tokens": ["<unk>", "a", "b", "ab"],
    "scores": [0.0, -2.0, -3.0, -1.0],
    "token_type": [2, 1, 1, 1],
}


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"tokens": ["a"]}, "the metadata lacks tokenizer.ggml.model"),
        ({"model": "bert", "tokens": ["a"]}, "the tokenizer 'bert' is not supported"),
        ({"model": "gpt2"}, "the metadata lacks tokenizer.ggml.tokens"),
        (bytes_alone() | {"pre": "klingon"}, "the pre-tokenizer 'klingon' is not supported"),
        (bytes_alone() | {"merges": ["aĠ"]}, "the merge 'aĠ' is not of two tokens"),
        (bytes_alone() | {"merges": ["a b"]}, "the merge 'a b' is not of two tokens"),
        ({"model": "gpt2", "tokens": ["a"]}, "the metadata lacks tokenizer.ggml.merges"),
        ({"model": "gpt2", "tokens": ["a", "b", "a"]}, "two tokens have the same text"),
        ({"model": "gpt2", "tokens": ["a" * 5000]}, "a token has 5,000 characters"),
        (bytes_alone() | {"token_type": [1, 1]}, "token_type has 2 values for 257 tokens"),
        (bytes_alone() | {"bos_token_id": 257}, "bos_token_id = 257: there are 257 tokens"),
        (bytes_alone() | {"tokens": "abc"}, "tokenizer.ggml.tokens is not a list of texts"),
        (SENTENCEPIECE | {"scores": [0.0, -1.0]}, "scores has 2 values for 4 tokens"),
        (SENTENCEPIECE | {"scores": [0.0, float("nan"), 1.0, 2.0]}, "not a finite number"),
        (SENTENCEPIECE | {"unknown_token_id": 9}, "unknown_token_id = 9: there are 4 tokens"),
    ],
)
def test_a_tokenizer_that_cannot_be_built_is_refused_in_one_line(
    vocabulary: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as error:
        tokenizer = in_file(tmp_path, **vocabulary)
        tokenizer.config()
        tokenizer.build()
    assert str(error.value).startswith(f"{tmp_path / 'm.gguf'}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def llama_cpp_vocabularies() -> list[Path]:
    directory = os.environ.get("LEK_LLAMA_CPP_VOCABS")
    return sorted(Path(directory).glob("*.gguf")) if directory else []


def vocabulary_tests(file: Path) -> Iterator[tuple[str, list[int]]]:
    """The texts of llama.cpp's test of a vocabulary, each with its tokens."""
    texts = file.with_suffix(".gguf.inp").read_bytes().decode()
    tokens = file.with_suffix(".gguf.out").read_text().splitlines()
    pairs = zip(texts.split("\n__ggml_vocab_test__\n"), tokens, strict=False)
    return ((text, [int(t) for t in line.split()]) for text, line in pairs)


def test_tokens_are_those_of_llama_cpp() -> None:
    """Compare all of its vocabularies whose kind is supported."""
    compared = 0
    for file in llama_cpp_vocabularies():
        if not file.with_suffix(".gguf.out").is_file():
            continue
        try:
            tokenizer = GGUFTokenizer(read(file)).build()
        except BadInput as refusal:
            assert "is not supported" in str(refusal)
            continue
        for text, tokens in vocabulary_tests(file):
            assert tokenizer.encode(text, add_special_tokens=False).ids == tokens, file.name
            compared += 1
    if not compared:
        pytest.skip("LEK_LLAMA_CPP_VOCABS names no directory with llama.cpp's vocabulary tests")
