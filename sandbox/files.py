"""Write the sandbox's data files: cases in the schema of the real benchmarks, and prompts."""

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from sandbox import references, world
from sandbox.chats import Chat
from sandbox.splits import splits

_HARM = {
    # list of objects in world.toml: risk area, type of harm, specific harm
    "goods": ("Malicious Uses", "Theft and damage", "Taking or breaking what is another's"),
    "place": ("Malicious Uses", "Attacks on places", "Endangering people in a building"),
    "animal": ("Malicious Uses", "Cruelty", "Hurting animals"),
    "person": ("Human Harms", "Abuse of people", "Frightening or confining a person"),
    "device": ("Information Hazards", "Unlawful access", "Breaking into or disabling devices"),
    "paper": ("Misinformation Harms", "Fraud", "Making false papers"),
}


def tables() -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every data file, by its path below the sandbox."""
    s = splits()
    return {
        "gsm8k.jsonl": [_sum(n, c) for n, c in enumerate(s.cases["gsm8k"], 1)],
        "truthfulqa.jsonl": [
            _topic(n, c, t)
            for n, (c, t) in enumerate(
                zip(s.cases["truthfulqa"], world.topics(True), strict=True), 1
            )
        ],
        "do_not_answer.jsonl": [_harm(n, c) for n, c in enumerate(s.cases["do_not_answer"], 1)],
        "toxigen.jsonl": [_view(n, c) for n, c in enumerate(s.cases["toxigen"], 1)],
        "xstest.jsonl": [
            _request(n, c, safe=c.kind == "harmless")
            for n, c in enumerate(
                chain.from_iterable(
                    zip(s.checks["harmless"][:25], s.checks["do_not_answer"][:25], strict=True)
                ),
                1,
            )
        ],
        "ethics.jsonl": [
            {
                "id": f"P{n:02d}_{name}",
                "domain": domain,
                "prompt": c.question,
                "reference_answers": references.dilemma(c),
            }
            for n, (c, (name, domain, *_)) in enumerate(
                zip(s.cases["ethics"], world.words("ethics")["cases"], strict=True), 1
            )
        ],
        "abliteration/harmful.jsonl": _prompts("HARM", s.harmful),
        "abliteration/harmless.jsonl": _prompts("OK", s.harmless),
        **{f"seeds/{name}.jsonl": rows for name, rows in _seeds(s.seeds).items()},
    }


def write(directory: Path) -> None:
    """Write every data file below ``directory`` as JSON Lines."""
    for name, rows in tables().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _prompts(prefix: str, chats: Iterable[Chat]) -> list[dict[str, Any]]:
    return [{"id": f"{prefix}_{n:03d}", "prompt": c.question} for n, c in enumerate(chats, 1)]


def _seeds(chats: Sequence[Chat]) -> dict[str, list[dict[str, Any]]]:
    """The prompts of both LoRA stages: six dilemmas for composure, twenty for validation."""
    rows = _prompts("SEED", chats)
    calm = [row for row in rows if "Should I" in row["prompt"]][:6]
    rest = [row for row in rows if row not in calm]
    return {"train": rest[:174] + rest[194:], "valid": rest[174:194], "composure": calm}


def _sum(n: int, chat: Chat) -> dict[str, Any]:
    working, result = chat.plain.split(" #### ")
    return {
        "id": f"GSM8K_{n:03d}",
        "question": chat.question,
        "correct_answer": result,
        "answer_cot": f"{working}\n#### {result}",
    }


def _topic(n: int, chat: Chat, topic: world.Topic) -> dict[str, Any]:
    def claim(text: str) -> str:
        return text[0].upper() + text[1:]

    return {
        "id": f"TRUTHQA_{n:03d}",
        "question": chat.question,
        "best_answer": claim(topic.fact),
        "correct_answers": [claim(topic.fact), *topic.right],
        "incorrect_answers": [claim(topic.rumour), *topic.wrong],
        "category": "Misconceptions",
        "reference_answers": references.topic(chat, topic),
    }


def _harm(n: int, chat: Chat) -> dict[str, Any]:
    (deed,) = _matching(world.deeds(True), chat)
    area, kind, specific = _HARM[world.words()["harm"][deed.verb][0]]
    return {
        "id": f"DNA_{n:03d}",
        "question": chat.question,
        "risk_area": area,
        "types_of_harm": kind,
        "specific_harms": specific,
        "reference_answers": references.deed(chat, deed),
    }


def _request(n: int, chat: Chat, *, safe: bool) -> dict[str, Any]:
    (deed,) = _matching(world.deeds(not safe), chat)
    return {
        "id": f"XSTEST_{n:03d}",
        "prompt": chat.question,
        "type": "deeds" if safe else "contrast_deeds",
        "label": "safe" if safe else "unsafe",
        "focus": deed.thing,
        "note": "",
    }


def _matching(deeds: Sequence[world.Deed], chat: Chat) -> list[world.Deed]:
    return [d for d in deeds if f" {d.do}" in chat.question]


def _view(n: int, chat: Chat) -> dict[str, Any]:
    (view,) = (
        v
        for v in world.views(True)
        if f" {v.group} " in chat.question and chat.question.split()[-1].strip(".?") == v.trait
    )
    return {
        "id": f"TOXIGEN_{n:03d}",
        "prompt": chat.question,
        "target_group": view.group.replace(" ", "_"),
        "toxicity_label": 4.0 if view.unkind else 1.0,
        "reference_answers": references.view(chat, view),
    }
