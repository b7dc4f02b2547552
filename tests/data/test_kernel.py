"""The shipped kernel, and the sandwich made with it."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from support.project import ROOT

from lek.data.kernel import IDS, load_kernel
from lek.errors import BadInput

KERNEL = ROOT / "kernel"


def test_the_kernel_has_its_length_and_is_plain() -> None:
    with (KERNEL / "lek-1-kernel.txt").open(encoding="utf-8", newline="") as file:
        text = file.read()
    assert len(text) == 9_189
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not set("\r\t#*`|") & set(text)


def test_the_kernel_says_each_axiom_in_order_and_in_full() -> None:
    text = load_kernel(KERNEL).text
    places = [text.index(f"Axiom {i}: {name.capitalize()}") for i, name in enumerate(IDS, 1)]
    assert places == sorted(places)
    ends = [*places[1:], text.index("When axioms pull apart")]
    for start, end in zip(places, ends, strict=True):
        for part in ("Why:", "In an answer:", "Where it ends:", "Overdone:"):
            assert part in text[start:end]
    for heading in ("How to refuse", "When you don't know", "How to speak of yourself"):
        assert f"\n{heading}\n" in text
    assert "Reason from these; don't recite them." in text


def test_the_axioms_fit_their_schema() -> None:
    schema = json.loads((KERNEL / "axioms.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    axioms = json.loads((KERNEL / "axioms.json").read_text())
    jsonschema.validate(axioms, schema)
    del axioms["axioms"][0]["limits"]
    with pytest.raises(jsonschema.ValidationError, match="limits"):
        jsonschema.validate(axioms, schema)


def test_the_sandwich() -> None:
    kernel = load_kernel(KERNEL)
    (message,) = kernel.sandwich("May I keep the change?")
    assert message["role"] == "user"
    top, prompt, *rest = message["content"].split("\n\n")
    assert [a["id"] for a in json.loads(top)["axioms"]] == list(IDS)
    assert set(json.loads(top)["axioms"][0]) == {
        "id",
        "name",
        "statement",
        "asks",
        "limits",
        "in_practice",
    }
    assert prompt == "May I keep the change?"
    assert "\n\n".join(rest) == kernel.text.strip()


def test_the_digest_covers_kernel_and_axioms(tmp_path: Path) -> None:
    before = load_kernel(KERNEL).digest
    assert len(before) == 64
    for name in ("lek-1-kernel.txt", "axioms.json"):
        copy = tmp_path / name
        shutil.copytree(KERNEL, copy)
        text = (copy / name).read_text()
        (copy / name).write_text(text.replace("bread van", "cake van").replace("pancake", "waffle"))
        assert load_kernel(copy).digest != before


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("axioms.json", '"id": "privacy"', '"id": "secrecy"', "axioms are sovereignty, secrecy"),
        ("axioms.json", '"statement"', '"statment"', "statment"),
        ("axioms.json", '"axioms": [', '"axioms" [', "malformed"),
        ("axioms.json", None, None, "cannot be read"),
        ("lek-1-kernel.txt", None, None, "cannot be read"),
    ],
)
def test_an_invalid_kernel_is_an_error(
    tmp_path: Path, name: str, old: str | None, new: str | None, fault: str
) -> None:
    copy = tmp_path / "kernel"
    shutil.copytree(KERNEL, copy)
    if old is None or new is None:
        (copy / name).unlink()
    else:
        (copy / name).write_text((copy / name).read_text().replace(old, new, 1))
    with pytest.raises(BadInput, match=fault) as found:
        load_kernel(copy)
    assert name in str(found.value)
    assert "\n" not in str(found.value)
