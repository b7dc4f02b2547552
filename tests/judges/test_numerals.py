"""Numbers in text: quantities, other numbers, and numbers inside markup."""

from fractions import Fraction

import pytest

from lek.judges.exact.numerals import numbers, strip_latex


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,800 and 2.5 and .5", ["1800", "5/2", "1/2"]),
        ("$5, 5 dollars, 5%, 5 km, 200GB", ["5"] * 4 + ["200"]),
        ("3/4 of 1 1/2", ["3/4", "3/2"]),
        ("-5, a -5, (-5), 20-5, 20 - 5", ["-5", "-5", "-5", "20", "5", "20", "5"]),
        ("at 5 pm, 5:30, 5 p.m.", []),
        ("2x + 3y = 7", ["7"]),
        ("1st, 2nd, 3rd, 4th", []),
        ("a 30-minute show", []),
        ("GSM8K v1.2.3", []),
        ("1/0", []),
        ("12,34", ["34"]),
    ],
)
def test_numbers(text: str, expected: list[str]) -> None:
    assert [n.value for n in numbers(text)] == [Fraction(e) for e in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**18**", "18"),
        ("$35$ and $5 and $6", "35 and $5 and $6"),
        ("$\\frac{1}{2}$", "1/2"),
        ("\\text{18 dollars}", "18 dollars"),
        ("9 \\times 2 \\approx 18", "9 × 2 = 18"),
        ("<<9*2=18>>18", "18"),
        ("1{,}800", "1,800"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert strip_latex(text).strip() == expected
