"""Training texts -> the sandbox's BPE tokenizer: common words whole, anything else by bytes.

A word is one token with the space before it; at the start of a text or line it is another. The
keys and brackets between two values of a JSON text are one piece, so that the axioms stay short.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
PAD, EOS, BOS, _, _, END = range(len(SPECIAL))
VOCABULARY = 1856
# JSON punctuation with the keys in it | a word | a number | a newline | a sign
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
    """A tokenizer that knows the most frequent pieces of ``texts`` whole.

    A piece that it does not know is spelled in bytes. It puts ``<bos>`` before what it encodes.
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
    # a vocabulary without merges: whole pieces are looked up, others fall to single bytes
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
    """Write ``tokenizer`` as the files that transformers and mlx_lm load."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(directory)
