"""Convert GGUF files, the model format of llama.cpp, to model directories that mlx_lm loads.

Layers: file (header and tensors), architectures (configuration and weights), tokenizer, conversion.

Public: `is_gguf`.
"""

from pathlib import Path


def is_gguf(path: str | Path) -> bool:
    """Whether ``path`` names a GGUF file."""
    return str(path).lower().endswith(".gguf")
