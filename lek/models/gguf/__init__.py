"""Convert GGUF files, the model format of llama.cpp, to model directories that mlx_lm loads.

Layers: file (header and tensors), architectures (configuration and weights), tokenizer, conversion.
"""
