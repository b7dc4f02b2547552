"""Requests to a served model as questions, and its replies as completions."""

import hashlib
import json

from lek.generation.backend import Completion, Request
from lek.profile.schema import Decoding
from lek.providers.request import Question, Reply, Sampling
from lek.text import thoughts


def question(request: Request, decoding: Decoding) -> Question:
    """Return the question that asks ``request``: greedily, or with a seed of its own."""
    assert isinstance(request.prompt, list)  # ensured when the profile was loaded
    *system, user = (message["content"] for message in request.prompt)
    sampling = Sampling(decoding.max_tokens, decoding.temperature)
    if decoding.temperature:
        digest = hashlib.sha256(f"{decoding.seed}\n{request.id}".encode()).digest()
        # 31 bits, since servers read the seed as a signed integer
        seed = int.from_bytes(digest[:4]) >> 1
        sampling = sampling._replace(top_p=decoding.top_p, seed=seed)
    return Question(
        system=system[0] if system else None,
        user=user,
        schema=None,
        sampling=sampling._replace(thinking=decoding.enable_thinking),
    )


def completion(request: Request, reply: Reply, seconds: float) -> Completion:
    """Return the completion of ``request`` from the reply of the server.

    A reply that stops without a text is an empty answer, as of a model in this process.
    """
    text, reason = reply.text, reply.reason
    if text is None and reply.finish == "stop":
        text, reason = "", None
    if reply.refusal is not None:  # the words of a model that declines are its answer
        text, reason = reply.refusal, None
    parts = thoughts.split(text or "")
    # some servers report a thought and leave it in the text too
    both = dict.fromkeys((reply.thought, parts.thought))
    thought = "\n".join(filter(None, both)) or None
    if reason is None and parts.answer is None:
        text = None
        reason = (
            "the thought has no end; raise decoding.max_tokens, or set "
            "decoding.enable_thinking = false"
        )
    return Completion(
        id=request.id,
        text=None if text is None else parts.answer,
        rendered=json.dumps(request.prompt, ensure_ascii=False),
        finish=reply.finish,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        seconds=seconds,
        reason=reason,
        thought=thought,
        thought_tokens=reply.thought_tokens,
        final=text is not None or reply.finish is not None,
    )
