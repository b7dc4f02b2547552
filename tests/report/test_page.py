"""The report in a real browser: hostile texts, filters, keys, addresses, accessibility."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import CHROMIUM, NAMES, chromium, opened
from support.project import Project
from support.runs import made_run, made_verdict

from lek.records import Ruling, Unscored, Vote
from lek.report.page import page
from lek.runs.run import Run

GATE = Ruling(
    rule="truthfulqa.truthfulness: lek > base",
    ruling="passed",
    difference=2.0,
    low=1.5,
    high=2.5,
    p=0.001,
    n=30,
    why="lek is 2.00 above base in truthfulness",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for all tests of this module; without one they are skipped."""
    if CHROMIUM is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is installed")
    with chromium() as running:
        yield running


def written(run: Run, directory: Path, session: str | None = None) -> Path:
    """The file with the report of ``run``."""
    file = directory / "report.html"
    file.write_text("".join(page(run, session)), encoding="utf-8")
    return file


def example(cases: int = 30) -> Run:
    """Two subjects; lek scores 2 more than base on most cases, and 1 less on every tenth."""
    verdicts = []
    for n in range(cases):
        base = 3.0 + n % 4
        lek = base - 1 if n % 10 == 9 else base + 2
        for subject, score in (("base", base), ("lek", lek)):
            text = f"The answer {n} of {subject} is about tea and number {n}."
            missing = subject == "lek" and n == 4
            scores = {"truthfulness": None if missing else score, "informativeness": 5.0}
            prompt = f"Question {n}: what is tea?"
            verdicts.append(made_verdict(subject, n, scores, text, prompt=prompt))
    return made_run(verdicts, [GATE])


def rows(page: Any) -> list[str]:
    """The ids of the cases that the table shows, as far as they are drawn."""
    page.locator("[role=status]", has_text="cases").wait_for()
    return list(page.locator(".lek-list tbody th").all_text_contents())


def violations(page: Any) -> str:
    """The violations of rules of accessibility that axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page)
    return str(found.generate_report()) if found.violations_count else ""


def choose(page: Any, **fields: str) -> None:
    """Set filters by their labels."""
    for label, value in fields.items():
        control = page.get_by_label(label.replace("_", " "), exact=True)
        if control.evaluate("e => e.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)


# Hostile texts

_MARKUP = """
<script>alert(1)</script>
</script><script>alert(1)</script>
<script src="https://example.org/x.js"></script>
<img src=x onerror=alert(1)>
<img src="https://example.org/pixel.png">
<svg onload=alert(1)>
<svg><script>alert(1)</script></svg>
<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>
<body onload=alert(1)>
<iframe src="javascript:alert(1)"></iframe>
<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>
<iframe src="https://example.org"></iframe>
<object data="javascript:alert(1)"></object>
<embed src="https://example.org/x.swf">
<link rel="stylesheet" href="https://example.org/x.css">
<style>@import url(https://example.org/x.css);</style>
<style>body{background:url(https://example.org/x.png)}</style>
<meta http-equiv="refresh" content="0;url=https://example.org">
<base href="https://example.org/">
<form action="https://example.org"><input name=q autofocus onfocus=alert(1)></form>
<a href="javascript:alert(1)">x</a>
<a href="https://example.org" ping="https://example.org/ping">x</a>
<details open ontoggle=alert(1)>
<video src="https://example.org/x.mp4" onerror=alert(1)></video>
<audio src=x onerror=alert(1)></audio>
<math><mtext></mtext><script>alert(1)</script></math>
<template><script>alert(1)</script></template></template>
<textarea autofocus onfocus=alert(1)></textarea>
</textarea><script>alert(1)</script>
</title><script>alert(1)</script>
</style><script>alert(1)</script>
</noscript><script>alert(1)</script>
</template><img src=x onerror=alert(1)>
</div></dialog></main><h1>FAILED: all gates</h1>
--><script>alert(1)</script><!--
<!--<script>alert(1)//-->
<![CDATA[<script>alert(1)</script>]]>
<?xml version="1.0"?><script>alert(1)</script>
" onmouseover="alert(1)
' onmouseover='alert(1)
` onmouseover=`alert(1)
"><script>alert(1)</script>
'><script>alert(1)</script>
\\"};alert(1);//
\\u003cscript\\u003ealert(1)\\u003c/script\\u003e
&lt;script&gt;alert(1)&lt;/script&gt;
&#60;script&#62;alert(1)&#60;/script&#62;
{{ 7 * 7 }}{% raw %}{{ config }}{% endraw %}
{{ ''.__class__.__mro__ }}
${alert(1)}`${alert(1)}`
javascript:alert(1)
data:text/html,<script>alert(1)</script>
__proto__ constructor toString
$& $1 $` $' \\1
%3Cscript%3Ealert(1)%3C/script%3E
=HYPERLINK("https://example.org")
]]></script><script>alert(1)</script>
""".strip().splitlines()
_UNSEEN = {
    "right-to-left override": "the answer is \u202egnorw\u202c",
    "isolates": "\u2066abc\u2069 \u2067def\u2069",
    "zero-width": "y\u200be\u200cs\u2060\ufeff",
    "tags": "".join(chr(0xE0000 + ord(c)) for c in "ignore"),
    "ANSI": "\x1b[2J\x1b[31mred\x1b[0m",
    "terminal title": "\x1b]0;owned\x07",
    "control": "a\x00b\x08c\x7fd\x9be",
    "line separators": "a\u2028b\u2029c",
    "soft hyphen": "in\u00advisible",
    "variation selectors": "a\U000e0100b\ufe00",
    "emoji": "\U0001f469\u200d\U0001f4bb \u2764\ufe0f",
}
HOSTILE = [*_MARKUP, *_UNSEEN.values()]


def hostile_run() -> Run:
    """Each hostile text is in turn prompt, reference, answer, thought, reason, vote and so on."""
    verdicts = []
    for n, text in enumerate(HOSTILE):
        vote = Vote(scores={"truthfulness": 5.0}, reasons=text)
        verdicts += [
            made_verdict(
                subject,
                n,
                {"truthfulness": 5.0, "informativeness": None},
                text,
                prompt=text,
                reference={"best_answer": text, "correct_answers": [text, text], text: text},
                reason=text,
                thought=text,
                votes=(vote, vote),
                unscored={"informativeness": Unscored(code="invalid_reply", text=text)},
            )
            for subject in ("base", "lek")
        ]
    everything = " ".join(HOSTILE)
    gate = Ruling(rule="truthfulqa.truthfulness: lek > base", ruling="failed", why=everything)
    return made_run(
        verdicts,
        [gate],
        profile={
            "name": everything,
            "digest": everything,
            "content": {"baseline": "base", "description": everything},
        },
        commit_message=everything,
        notes=[everything],
        versions={everything: everything},
        machine={everything: everything},
        unscored=[
            {"code": "invalid_reply", "count": 1, "texts": [{"text": everything, "count": 1}]}
        ],
    )


def test_hostile_texts_are_shown_as_text(browser: Any, tmp_path: Path) -> None:
    assert len(HOSTILE) >= 60
    file = written(hostile_run(), tmp_path)
    with opened(browser, file) as (page, seen):
        elements = page.evaluate("document.querySelectorAll('*').length")
        page.locator(".lek-list a").first.click()
        for n, text in enumerate(HOSTILE):
            page.wait_for_function(
                "(id) => document.querySelector('#lek-case-title').textContent.includes(id)"
                " && document.querySelector('.lek-answer')",
                arg=f"Q{n:05d}",
            )
            for fold in page.locator(".lek-answer details").all():
                fold.evaluate("e => e.open = true")
            shown = page.evaluate(
                "[...document.querySelectorAll('.lek-text')].map(e => e.innerText)"
            )
            expected = re.sub(r"[\u200b-\u206f\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad]", "", text)
            if expected == text and text.isascii():
                assert shown[0] == text, "the prompt"
                assert sum(text in part for part in shown) >= 4 + 2 * 5
            page.keyboard.press("j")
        page.keyboard.press("Escape")
        assert page.locator(".lek h1").count() == 1
        assert not page.locator("iframe, object, embed, audio, base, .lek form[action]").count()
        assert elements < 3_000
        assert not page.evaluate("'polluted' in {}")
        assert seen.nothing, seen


@pytest.mark.parametrize("name", _UNSEEN)
def test_characters_that_are_not_seen_become_visible(
    browser: Any, tmp_path: Path, name: str
) -> None:
    text = _UNSEEN[name]
    run = made_run([made_verdict("base", 0, {"truthfulness": 5.0}, text, prompt="q")])
    with opened(browser, written(run, tmp_path), "case=truthfulqa/Q00000") as (page, seen):
        answer = page.locator(".lek-answer .lek-text").first
        answer.wait_for()
        marks = answer.locator(".lek-character").all_text_contents()
        selectors = "\ufe00\U000e0100"  # which count as printable
        codes = [f"U+{ord(c):04X}" for c in text if not c.isprintable() or c in selectors]
        if name == "emoji":
            assert marks == [] and answer.text_content() == text
        else:
            assert marks == codes and marks
        assert seen.nothing, seen


def test_data_and_page_contain_no_hostile_text_outside_the_data(tmp_path: Path) -> None:
    text = written(hostile_run(), tmp_path).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text and "onerror=alert(1)>" not in text
    assert not re.search(r'<[a-z]+ [^>]*(?:src|href)="(?:https?|javascript):', text)
    assert not {"\x1b", "\u202e", "\u200b", "\x00", "\u2066"} & set(text)
    packed = re.findall(r'<script type="text/plain"[^>]*>(.*?)</script>', text, re.S)
    assert packed and not any(set(part) & set("<>&`\"'\\ \n") for part in packed)


# The first screen


def test_the_first_screen_needs_no_script(browser: Any, tmp_path: Path) -> None:
    with opened(browser, written(example(), tmp_path), java_script_enabled=False) as (page, _):
        text = page.locator("main").inner_text()
        assert "made: the gate passed" in text
        assert "PASSED: lek is 2.00 above base in truthfulness" in text
        assert "verdicts.jsonl" in text
        box = page.get_by_text("PASSED", exact=True).bounding_box()
        assert box is not None and box["y"] < 400
        assert page.locator("main svg").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    file = written(example(), tmp_path)
    settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with opened(browser, file, **settings) as (page, seen):
        page.locator(".lek-list a").first.wait_for()
        for state in ("list", "case"):
            if state == "case":
                page.locator(".lek-list a").first.click()
                page.locator(".lek-answer").first.wait_for()
            assert violations(page) == ""
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, "no sideways scrolling of the whole page"
        assert seen.nothing, seen


def test_the_page_of_a_session_is_accessible(browser: Any, project: Project) -> None:
    code = "def test_fails():\n    print('x')\n    assert False\n"
    (project.path / "test_more.py").write_text(code)
    options = ["--html=report.html", "--self-contained-html"]
    project.evaluate("evals", "test_more.py", *options)
    with opened(browser, project.path / "report.html") as (page, seen):
        page.locator(".lek-session summary").click()
        page.get_by_text("test_more.py::test_fails").wait_for()
        assert violations(page) == ""
        assert seen.nothing, seen


# The cases


def test_filters_and_sorting(browser: Any, tmp_path: Path) -> None:
    with opened(browser, written(example(), tmp_path)) as (page, seen):
        assert len(rows(page)) == 30
        choose(page, show="worse")
        assert rows(page) == ["Q00009", "Q00019", "Q00029"]
        choose(page, show="unscored")
        assert rows(page) == ["Q00004"]
        choose(page, show="all", subject="base", score_from="6", to="6")
        assert rows(page) == [f"Q{n:05d}" for n in range(30) if n % 4 == 3]
        choose(page, score_from="", to="", subject="lek", sort_by="worse")
        assert rows(page)[:4] == ["Q00009", "Q00019", "Q00029", "Q00000"]
        assert rows(page)[-1] == "Q00004"  # without a score
        choose(page, sort_by="highest", search="NUMBER 7.")
        assert rows(page) == ["Q00007"]
        choose(page, search="no such text")
        assert rows(page) == []
        assert "0 of 30 cases" in page.locator("[role=status]").inner_text()
        choose(page, search="tea", measure="informativeness", show="changed")
        assert rows(page) == []
        assert seen.nothing, seen


def test_keys_open_and_close_cases(browser: Any, tmp_path: Path) -> None:
    with opened(browser, written(example(), tmp_path)) as (page, seen):
        assert len(rows(page)) == 30
        for key in "jjjk":
            page.keyboard.press(key)
        assert page.locator("tr[aria-current] a").inner_text() == "Q00001"
        page.keyboard.press("Enter")
        page.locator(".lek-answer").first.wait_for()
        title = page.locator("#lek-case-title")
        assert title.inner_text() == "truthfulqa: Q00001"
        page.keyboard.press("j")
        page.locator("#lek-case-title", has_text="Q00002").wait_for()
        page.keyboard.press("Escape")
        assert not page.locator("dialog[open]").count()
        page.keyboard.press("/")
        page.keyboard.type("number 12.")
        assert rows(page) == ["Q00012"]
        page.keyboard.type("jk")  # are text here
        assert rows(page) == []
        assert seen.nothing, seen


def test_the_address_keeps_filter_and_case(browser: Any, tmp_path: Path) -> None:
    file = written(example(), tmp_path)
    with opened(browser, file) as (page, _):
        choose(page, show="worse", search="tea")
        assert rows(page) == ["Q00009", "Q00019", "Q00029"]
        page.locator(".lek-list a").nth(1).click()
        page.locator(".lek-answer").first.wait_for()
        page.wait_for_function("() => location.hash.includes('case')")
        address = page.evaluate("location.hash.slice(1)")
        page.go_back()
        page.wait_for_function("() => !document.querySelector('dialog').open")
        assert rows(page) == ["Q00009", "Q00019", "Q00029"]
    with opened(browser, file, address) as (page, seen):
        page.locator(".lek-answer").first.wait_for()
        assert page.locator("#lek-case-title").inner_text() == "truthfulqa: Q00019"
        page.keyboard.press("Escape")
        assert rows(page) == ["Q00009", "Q00019", "Q00029"]
        assert page.get_by_label("search", exact=True).input_value() == "tea"
        assert seen.nothing, seen


@pytest.mark.parametrize("address", ["case=nowhere/Q1", "case=x", "show=7&sort=x&text=%", "%%%"])
def test_an_address_that_fits_nothing_shows_the_cases(
    browser: Any, tmp_path: Path, address: str
) -> None:
    with opened(browser, written(example(5), tmp_path), address) as (page, seen):
        page.locator("[role=status]").wait_for()
        assert not page.locator("dialog[open]").count()
        assert seen.nothing, seen


def test_a_case_shows_everything_side_by_side(browser: Any, tmp_path: Path) -> None:
    scores: dict[str, float | None] = {"truthfulness": 4.0, "informativeness": None}
    verdicts = [
        made_verdict("base", 0, scores, "Tea is a hot drink.", prompt="What is tea?"),
        made_verdict(
            "lek",
            0,
            {"truthfulness": 6.0, "informativeness": 5.0},
            "Tea is a warm drink, I think.",
            reference={"best_answer": "a drink", "correct_answers": ["one", "two"]},
            thought="Let me think.",
            thought_tokens=4,
            finish="length",
            prompt_tokens=11,
            completion_tokens=7,
            seconds=1.25,
            reason="It is true.",
            votes=(
                Vote(scores={"truthfulness": 6.0}, reasons="first"),
                Vote(scores={"truthfulness": 7.0}, reasons="second"),
            ),
        ),
        made_verdict("abliterated", 0, {"truthfulness": None}, None),
    ]
    run = made_run(verdicts)
    with opened(browser, written(run, tmp_path), "case=truthfulqa/Q00000") as (page, seen):
        page.locator(".lek-answer").first.wait_for()
        answers = dict(
            zip(
                page.locator(".lek-answer h3").all_inner_texts(),
                page.locator(".lek-answer").all_inner_texts(),
                strict=True,
            )
        )
        assert "4" in answers["base"] and "unscored: the reply has no score" in answers["base"]
        for part in ("6 ▲+2", "Cut off", "It is true.", "truthfulness 7: second", "thought", "11"):
            assert part in answers["lek"]
        assert "Let me think." not in answers["lek"], "thoughts are folded"
        assert "no answer was recorded" in answers["abliterated"]
        marked = page.locator(".lek-answer").nth(1).locator("ins").all_inner_texts()
        assert "".join(marked) == "warm, I think"
        page.get_by_label("mark differences from base").uncheck()
        assert not page.locator("ins").count()
        assert seen.nothing, seen


def test_likelihoods_are_listed_from_the_likeliest(browser: Any, tmp_path: Path) -> None:
    choices = {"No <b>idea</b>": -9.5, "A drink": -1.25, "A plant": -3.0}
    verdict = made_verdict("base", 0, {"truthfulness": 4.0}, None, likelihoods=choices)
    with opened(browser, written(made_run([verdict]), tmp_path), "case=truthfulqa/Q00000") as (
        page,
        seen,
    ):
        page.locator(".lek-answer").first.wait_for()
        choices_shown = page.locator(".lek-answer dl").nth(1).locator("dd").all_inner_texts()
        assert choices_shown == ["A drink", "A plant", "No <b>idea</b>"]
        assert seen.nothing, seen


def test_only_visible_rows_are_in_the_document(browser: Any, tmp_path: Path) -> None:
    with opened(browser, written(example(3_000), tmp_path)) as (page, seen):
        assert 20 < len(rows(page)) < 120
        page.locator(".lek-list").evaluate("e => e.scrollTop = e.scrollHeight")
        page.locator(".lek-list a", has_text="Q02999").wait_for()
        assert len(rows(page)) < 120
        choose(page, search="answer 2999 of")
        assert rows(page) == ["Q02999"]
        assert page.locator(".lek-list table").get_attribute("aria-rowcount") == "2"
        assert seen.nothing, seen


def test_any_reference_can_be_shown(browser: Any, tmp_path: Path) -> None:
    reference = {"nan": float("nan"), "nested": {"a": [1, None, True]}, "none": None, "": [[], {}]}
    verdict = made_verdict("base", 0, {"truthfulness": 4.0}, reference=reference)
    with opened(browser, written(made_run([verdict]), tmp_path), "case=truthfulqa/Q00000") as (
        page,
        seen,
    ):
        page.locator(".lek-answer").first.wait_for()
        values = page.locator(".lek-reference dd").all_inner_texts()
        assert values == ["a question", "null", '{"a":[1,null,true]}', "null", "[]\n{}"]
        assert seen.nothing, seen


def test_many_subjects_fit_a_table_that_scrolls(browser: Any, tmp_path: Path) -> None:
    verdicts = [made_verdict(f"model-{n}", 0, {"truthfulness": 4.0}) for n in range(20)]
    with opened(browser, written(made_run(verdicts), tmp_path)) as (page, seen):
        page.locator(".lek-list a").first.wait_for()
        widths = page.locator(".lek-list thead th").evaluate_all("e => e.map(c => c.clientWidth)")
        assert min(widths) > 80
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert seen.nothing, seen


def test_a_run_without_verdicts_has_a_report(browser: Any, tmp_path: Path) -> None:
    with opened(browser, written(made_run([]), tmp_path)) as (page, seen):
        page.get_by_text("No case was evaluated.").wait_for()
        assert seen.nothing, seen


def test_the_same_run_gives_the_same_bytes() -> None:
    assert list(page(example())) == list(page(example()))


def test_the_policy_allows_only_the_scripts_of_the_page(tmp_path: Path) -> None:
    text = written(example(), tmp_path).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src &#x27;none&#x27;")
    assert text.count("sha256-") == len(re.findall(r"<script>", text)) == 1
    assert "unsafe-inline" not in policy[1].split("style-src")[0]
