"""Numbers in text: quantities, other numbers, and numbers inside markup."""

from fractions import Fraction

import pytest

from lek.judges.exact.numerals import number_words, numbers, strip_latex


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
        ("12,34 and 5,6,7 and 1.2.3 and 1.470,50", []),
        ("2024-05-12, 5/12/2024, 12-34-56, #5, F-16", []),
        ("ratio 3:4, total:18", ["18"]),
        ("2 880, 2'880, 2’880, 2_880, 1,00,000", ["2880"] * 4 + ["100000"]),
        ("3 200-page books, 10 20", ["3", "10", "20"]),
        ("2.88 × 10^3, 2.88 x 10**3, 2.88e3, 2.88E+03, 5*10^-2", ["2880"] * 4 + ["1/20"]),
        ("10^3, 10^(2), 2^5, x^2", ["1000", "100"]),
        ("$70k, 70k people, $1.2M, 2.5 million, 3 thousand", "70000 70000 1200000 2500000 3000"),
        ("2 dozen eggs, 5 kg, 5m", ["24", "5"]),
    ],
)
def test_numbers(text: str, expected: list[str] | str) -> None:
    expected = expected.split() if isinstance(expected, str) else expected
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
        ("1\\,800 and 1~800", "1,800 and 1,800"),
        ("10³ and 2.5·10⁻²", "10^3 and 2.5·10^-2"),
        ("1\u202f800\u00a0km and 1，800", "1 800 km and 1,800"),
        ("2½ and 10**3 and *18*", "2 1/2 and 10**3 and 18"),
        ("10^{3}", "10^3"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert strip_latex(text).strip() == expected


def test_clock_times_and_ordinals_are_read_on_request() -> None:
    text = "at 5 pm, 7:30, 12 o'clock, on the 3rd"
    assert [n.value for n in numbers(text, clock=True)] == [5, Fraction(15, 2), 12]
    assert [n.value for n in numbers(text, ordinals=True)] == [3]


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("thirty-six", "36"),
        ("Ninety nine", "99"),
        ("zero", "0"),
        ("a dozen", "1 dozen"),
        ("half a dozen", "0.5 dozen"),
        ("two dozen", "2 dozen"),
        ("a hundred", "100"),
        ("two hundred and five", "205"),
        ("one thousand", "1000"),
        ("two thousand one hundred", "2100"),
        ("three thousand four hundred and fifty-six", "3456"),
        ("two and a half", "2.5"),
    ],
)
def test_number_words(words: str, digits: str) -> None:
    assert [d for _, d in number_words(f"It is {words}.")] == [digits]


@pytest.mark.parametrize("text", ["a thirty-minute show", "someone", "two-thirds", "a tent"])
def test_parts_of_words_are_no_number_words(text: str) -> None:
    assert not list(number_words(text))
