"""The sandbox's BPE tokenizer: common words are single tokens, anything else is split into bytes.

A word with a preceding space is one token, and the same word at the start of a text or line is
another. The keys and brackets between two values of JSON are one piece, which keeps the axioms
short.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
PAD, EOS, BOS, _, _, END = range(len(SPECIAL))
VOCABULARY = 1856
# JSON punctuation with the keys in it | a word | a number | a newline | a symbol
PIECES = (
    r"""(?:[{}\[\]:,"]|(?<=")[a-z_]+(?=":))+"""
    r"""| ?[A-Za-z]+(?:'[a-z]+)?| ?[0-9]+|\n| ?#+| ?[^\sA-Za-z0-9]|\s"""
)
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def learn(texts: Iterable[str]) -> Any:
    """Return a tokenizer whose vocabulary holds the most frequent pieces of ``texts``.

    Other pieces are split into bytes. Encoding adds ``<bos>`` at the start.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    cut = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    counts = Counter(piece for text in texts for piece, _ in cut.pre_tokenize_str(text))
    known = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    ranked = sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    known += [piece for piece, _ in ranked if len(piece) > 1]
    if len(known) > VOCABULARY:
        print(f"{len(known) - VOCABULARY} rare words are spelled: {known[VOCABULARY:]}")
    # a vocabulary without merges: known pieces are looked up whole, others become single bytes
    vocabulary = {piece: n for n, piece in enumerate(known[:VOCABULARY])}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    bpe.pre_tokenizer = cut
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", BOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        **{f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")},
        additional_special_tokens=list(SPECIAL[4:]),
        padding_side="left",
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def save(tokenizer: Any, directory: Path) -> None:
    """Write ``tokenizer`` to ``directory``, in the format of transformers and mlx_lm."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(directory)
