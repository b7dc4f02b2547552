"""Greedy decoding without the probabilities of the vocabulary."""

from typing import Any


class Likeliest:
    """A model that keeps the likeliest next tokens, in place of the logits of its last call.

    mlx_lm computes the probabilities of the whole vocabulary from the logits that it gets, which
    greedy decoding does not need. It gets zeros, of a vocabulary of one token.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tokens: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        import mlx.core as mx

        logits = self._model(inputs, **options)
        self._tokens = mx.argmax(logits[:, -1], axis=-1)
        return mx.zeros((*inputs.shape, 1))

    def sample(self, logprobs: Any) -> Any:
        """Return the tokens of the last call, one for each row of ``logprobs``."""
        return self._tokens
