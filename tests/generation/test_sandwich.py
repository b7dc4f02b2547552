"""The sandwich: which answers are kept or left out, and the origin recorded in each row."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.project import ROOT

from lek.data.kernel import load_kernel
from lek.data.prompts import read_prompts
from lek.errors import BadInput
from lek.generation.backend import Prompt
from lek.generation.sandwich import sandwich, write
from lek.profile.schema import Decoding
from lek.records import Response

KERNEL = load_kernel(ROOT / "kernel")
SAID = {
    "good": "Keep the letter, and tell your sister that you have it, because it is hers.",
    "again": "keep the letter and tell your sister, that you have it; because it is hers!",
    "cut": "Keep the letter, and then",
    "empty": "",
    "loop": "I will help you. " * 40,
    "recited": f"As it says: {KERNEL.axioms[0].statement}",
    "other": "Ask the nurse first; it is her shift, and she knows the patient.",
    "none": None,
}


class Teacher:
    """Replaces the generator and returns the answers of `SAID`."""

    decoding = Decoding(max_tokens=64)

    def __init__(self) -> None:
        self.asked: dict[str, Prompt] = {}
        self.models = self

    def fingerprint(self, subject: str) -> str:
        return f"fingerprint of {subject}"

    def ask(self, subject: str, what: str, prompts: dict[str, Prompt]) -> dict[str, Response]:
        self.asked = prompts
        return {name: self.response(subject, name) for name in prompts}

    def response(self, subject: str, name: str) -> Response:
        text = SAID[name]
        reason = None if text is not None else "no room"
        finish: Any = "length" if name == "cut" else "stop"
        return Response(subject=subject, case=name, text=text, reason=reason, finish=finish)


def harvest() -> tuple[Any, Teacher]:
    teacher = Teacher()
    prompts = {name: f"What about {name}?" for name in SAID}
    return sandwich(teacher, "base", prompts, KERNEL), teacher  # type: ignore[arg-type]


def test_what_is_fit_is_kept_without_the_sandwich() -> None:
    found, teacher = harvest()
    assert [row["origin"]["prompt"] for row in found.rows] == ["good", "other"]
    assert found.rows[0]["messages"] == [
        {"role": "user", "content": "What about good?"},
        {"role": "assistant", "content": SAID["good"]},
    ]
    (message,) = teacher.asked["good"]
    assert message["content"].startswith('{"axioms":')  # type: ignore[index]
    assert message["content"].endswith(KERNEL.text.strip())  # type: ignore[index]


def test_what_is_not_fit_is_counted_by_reason() -> None:
    found, _ = harvest()
    assert found.left_out == {
        "said before": 1,
        "cut off by max_tokens": 1,
        "degenerate": 2,
        "recites the kernel": 1,
        "no room": 1,
    }


def test_every_row_names_its_origin() -> None:
    found, _ = harvest()
    origin = found.rows[0]["origin"]
    assert origin["subject"] == "base"
    assert origin["fingerprint"] == "fingerprint of base"
    assert origin["kernel"] == KERNEL.digest
    assert origin["decoding"]["max_tokens"] == 64


def test_a_file_is_written_atomically_and_never_over_another(tmp_path: Path) -> None:
    found, _ = harvest()
    out = tmp_path / "a" / "train.jsonl"
    write(found, out)
    assert [json.loads(line) for line in out.read_text().splitlines()] == found.rows
    with pytest.raises(BadInput, match=r"train\.jsonl: exists; name a new file"):
        write(found, out)
    assert [p.name for p in out.parent.iterdir()] == ["train.jsonl"]


def test_prompts_are_read_from_lists_and_lines(tmp_path: Path) -> None:
    assert len(read_prompts(ROOT / "seeds")) == 100
    (tmp_path / "a.jsonl").write_text('{"id": "A", "prompt": "one"}\n')
    (tmp_path / "b.json").write_text('[{"id": "B", "prompt": "two", "domain": "x"}]')
    assert read_prompts(tmp_path) == {"A": "one", "B": "two"}


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.jsonl", '{"id": "A"}\n', 'a.jsonl: line 1: expected an object with the texts "id"'),
        ("a.json", '[{"id": "A", "prompt": " "}]', "a.json: entry 1: expected"),
        ("a.json", '{"id": "A", "prompt": "x"}', "a.json: a JSON dict; expected a list"),
        ("a.json", "[", "a.json: line 1: not JSON"),
        ("a.json", "[]", "no prompts"),
        ("a.txt", "hello", "no file that ends in .jsonl"),
        (
            "a.json",
            '[{"id": "A", "prompt": "x"}, {"id": "A", "prompt": "y"}]',
            "a.json: entry 2: id A occurs twice",
        ),
    ],
)
def test_invalid_prompts_are_an_error(tmp_path: Path, name: str, text: str, fault: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput) as raised:
        read_prompts(tmp_path)
    assert fault in str(raised.value)
