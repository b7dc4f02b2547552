"""Cases from tables: mapping of columns, types of fields, ids, and where cases come from."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.benchmarks import BENCHMARKS

from lek.benchmarks.benchmark import Column
from lek.data.cases import make_cases
from lek.data.tables import read_table
from lek.errors import BadInput
from lek.records import Case

COLUMNS = (("prompt", Column("Problem")), ("correct_answer", Column("Solution", "####")))


def cases(file: Path, benchmark: str, columns: Any = ()) -> list[Case]:
    return make_cases(read_table(file), BENCHMARKS[benchmark], columns)


def test_columns_are_mapped_and_others_left_out(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("Problem,Solution,Notes\n1+1?,one and one #### 2,easy\n2+2?,#### 3 #### 4,\n")
    first, second = cases(file, "gsm8k", COLUMNS)
    assert (first.id, first.prompt, first.reference) == ("1", "1+1?", {"correct_answer": "2"})
    assert second.reference == {"correct_answer": "4"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Problem,Answer\n1+1?,2\n", "line 2: no column 'Solution' for correct_answer; there are"),
        ("Problem,Solution\n1+1?,2\n", "line 2: no '####' in 'Solution'"),
        ("Problem,Solution\n,#### 2\n", 'line 2: no text in "question" or "prompt"'),
        ("Problem,Solution\n", "no cases; a benchmark needs at least one"),
    ],
)
def test_errors_of_mapped_columns(tmp_path: Path, text: str, error: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        cases(file, "gsm8k", COLUMNS)
    assert str(caught.value).startswith(f"{file}: {error}")


@pytest.mark.parametrize("cell", ["yes; it is", '["yes", "it is"]', " yes ;  it is; "])
def test_lists_in_cells(tmp_path: Path, cell: str) -> None:
    import csv

    file = tmp_path / "truthfulqa.csv"
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["id", "question", "best_answer", "correct_answers", "incorrect_answers"])
        writer.writerow(["7", "Is it?", "yes", cell, "no"])
    (case,) = cases(file, "truthfulqa")
    assert case.id == "7"
    assert case.reference["correct_answers"] == ["yes", "it is"]
    assert case.reference["incorrect_answers"] == ["no"]


@pytest.mark.parametrize("answer", ["1,200", "1.2e3", 1200, 1200.0, "$1,200", "1 200"])
def test_reference_numbers_in_any_form_are_equal(tmp_path: Path, answer: object) -> None:
    from lek.judges.exact.judge import exact
    from lek.records import Response

    file = tmp_path / "gsm8k.jsonl"
    file.write_text(json.dumps({"id": 1, "question": "How many?", "correct_answer": answer}))
    (case,) = cases(file, "gsm8k")
    response = Response(subject="s", case="1", text="The answer is 1200.")
    verdict = exact(case, response, [BENCHMARKS["gsm8k"]["accuracy"]])
    assert verdict.scores == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("correct_answers", "yes", "expected a list of texts"),
        ("correct_answers", [], "expected a list of texts"),
        ("correct_answers", ["yes", 1], "expected a list of texts"),
        ("best_answer", None, "expected a text"),
        ("best_answer", ["yes"], "expected a text"),
        ("best_answer", True, "expected a text"),
    ],
)
def test_fields_of_other_types_are_errors(
    tmp_path: Path, field: str, value: object, error: str
) -> None:
    row = {
        "id": "a",
        "question": "Is it?",
        "best_answer": "yes",
        "correct_answers": ["yes"],
        "incorrect_answers": ["no"],
    }
    file = tmp_path / "truthfulqa.jsonl"
    file.write_text(json.dumps(row | {field: value}) + "\n")
    with pytest.raises(BadInput, match=f'line 1: "{field}" is .*{error}'):
        cases(file, "truthfulqa")


def test_a_repeated_id_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "gsm8k.jsonl"
    row = {"id": 3, "question": "1+1?", "correct_answer": "2"}
    file.write_text(f"{json.dumps(row)}\n{json.dumps(row | {'id': '3'})}\n")
    with pytest.raises(BadInput, match="line 2: id 3 is already used in line 1"):
        cases(file, "gsm8k")


def test_empty_cells_of_optional_fields_are_absent(tmp_path: Path) -> None:
    file = tmp_path / "do_not_answer.tsv"
    file.write_text("id\tquestion\trisk_area\n1\tHow?\t\n2\tWhy?\tlaw\n")
    first, second = cases(file, "do_not_answer")
    assert (first.reference, first.tags) == ({}, ())
    assert (second.reference, second.tags) == ({"risk_area": "law"}, ("law",))
