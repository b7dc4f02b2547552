"""Create a tiny gemma3_text model with random weights, and save it."""

import json
from pathlib import Path
from typing import Any

from sandbox import lexicon

CONFIG: dict[str, Any] = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "intermediate_size": 320,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "rope_local_base_freq": 10_000.0,
    "sliding_window": 512,
    "sliding_window_pattern": 2,
    "max_position_embeddings": 512,
    "vocab_size": lexicon.VOCABULARY,
    "tie_word_embeddings": True,
    "pad_token_id": lexicon.PAD,
    "bos_token_id": lexicon.BOS,
    "eos_token_id": [lexicon.EOS, lexicon.END],
    "dtype": "float32",
}


def build(seed: int) -> Any:
    """Return a model with normal weights of standard deviation 1/sqrt(inputs) and norms of scale 1.

    The scale of a norm is 1 + w in this architecture, so w starts at 0.
    """
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.models.gemma3_text import Model, ModelArgs

    model = Model(ModelArgs.from_dict(CONFIG))
    model.sanitize({})  # removes the separate output head: the embedding is used as the head
    key = mx.random.key(seed)
    weights = []
    for name, value in sorted(tree_flatten(model.parameters())):
        key, own = mx.random.split(key)
        drawn = mx.random.normal(value.shape, key=own) / value.shape[-1] ** 0.5
        weights.append((name, mx.zeros(value.shape) if value.ndim == 1 else drawn))
    model.load_weights(weights)
    mx.eval(model.parameters())
    return model


def save(model: Any, tokenizer: Any, directory: Path) -> None:
    """Write config, weights (float32 safetensors) and tokenizer to ``directory``."""
    from mlx_lm.utils import save_model

    lexicon.save(tokenizer, directory)
    save_model(directory, model)
    (directory / "model.safetensors.index.json").unlink(missing_ok=True)
    (directory / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
