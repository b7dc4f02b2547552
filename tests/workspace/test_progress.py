"""Progress: plain lines without a terminal, a bar on a terminal, one line at the end."""

import io
import sys

import pytest

from lek.workspace import progress
from lek.workspace.progress import Progress, Silent


class Terminal(io.StringIO):
    """Standard error that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def work(shown: Progress) -> None:
    with shown.task("lek gsm8k", 3, "answers") as task:
        for _ in range(3):
            task.tokens(20)
            task.advance()


def test_plain_lines_tell_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    work(Progress())
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        *(f"lek: lek gsm8k: {n}/3 answers" for n in (0, 1, 1, 2, 2, 3)),
        "lek: lek gsm8k: 3/3 answers",
    ]
    assert all("tok/s" in line for line in lines)  # even before the first answer is complete
    assert [line.endswith(" s left") for line in lines] == [False, *[True] * 5, False]


def test_lines_are_seconds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    work(Progress())
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_terminal_gets_a_bar_and_then_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    work(Progress())
    text = screen.getvalue()
    assert "\rlek: lek gsm8k" in text
    assert "left" in text
    assert text.splitlines()[-1].startswith("lek: lek gsm8k: 3/3 answers, ")


def test_several_processes_draw_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    work(Progress(plain=True))
    assert screen.getvalue().count("\n") == 1


def test_parts_are_tasks_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress().steps("lek") as tell:
        for n in range(3):
            tell("LoRA", n + 1, 3)
        tell("fusing", 1, 1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.rsplit(",", 1)[0] for line in lines] == [
        "lek: lek, LoRA: 3/3 done",
        "lek: lek, fusing: 1/1 done",
    ]


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    work(Silent())
    assert capsys.readouterr() == ("", "")
