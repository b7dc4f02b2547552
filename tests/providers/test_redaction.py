"""Keys are removed from texts in every form in which a server may write them."""

import base64
import html
import json
import time
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from support.endpoint import Answer, ok, serving

from lek.profile.schema import OpenAISettings
from lek.providers.errors import ProviderError
from lek.providers.openai import OpenAIEndpoint
from lek.providers.redaction import one_line, redact
from lek.providers.request import Question

KEYS = ["sk-proj-AbCd_0123/4567+89==", "AIzaSyD-0aB1cD2eF3gH4iJ5", "a.b.c-d&e<f>g\"h'i%j\\k"]


def base64_of(text: str) -> list[str]:
    standard = base64.b64encode(text.encode()).decode()
    url = base64.urlsafe_b64encode(text.encode()).decode()
    return [standard, standard.rstrip("="), url, quote(standard, safe="")]


def forms(key: str) -> dict[str, str]:
    """The ``key`` as it may be written in a page, a log line, a URL, JSON or HTML."""
    codes = [ord(c) for c in key]
    texts = {
        "plain": key,
        "upper case": key.upper(),
        "lower case": key.lower(),
        "in a URL": quote(key, safe=""),
        "in a URL in a URL": quote(quote(key, safe=""), safe=""),
        "in a URL, all characters": "".join(f"%{code:02x}" for code in codes),
        "in JSON": json.dumps(key)[1:-1],
        "in JSON, with slashes escaped": json.dumps(key)[1:-1].replace("/", "\\/"),
        "in JSON in JSON": json.dumps(json.dumps(key))[3:-3],
        "in JSON, all characters": "".join(f"\\u{code:04X}" for code in codes),
        "in JSON, marks escaped": key.replace("-", "\\u002d").replace("\\k", "\\\\k"),
        "as a string of bytes": "".join(f"\\x{code:02x}" for code in codes),
        "in HTML": html.escape(key),
        "in HTML, by number": "".join(f"&#{code};" for code in codes),
        "in HTML, by hexadecimal number": "".join(f"&#x{code:X};" for code in codes),
        "hexadecimal": key.encode().hex(),
        "over two lines": f"{key[:9]}\r\n  {key[9:]}",
        "with an invisible character": f"{key[:9]}\u200b{key[9:]}",
        "with an escaped invisible character": f"{key[:9]}\\u200b{key[9:]}",
    }
    for before in ("", "Bearer ", "user:", "us:", "u:", "Authorization: Bearer "):
        for after in ("", "!", ":x", "\n\n\n"):
            for i, encoded in enumerate(base64_of(before + key + after)):
                texts[f"Base64 {i} of {before!r}, key, {after!r}"] = encoded
    return texts


@pytest.mark.parametrize("key", KEYS)
def test_all_forms_of_a_key_are_removed(key: str) -> None:
    for name, text in forms(key).items():
        clean = redact(f"before {text} after", key)
        assert "[key]" in clean, name
        assert clean.startswith("before ") and clean.endswith(" after")
        rest = clean.removeprefix("before ").removesuffix(" after").replace("[key]", "")
        if not name.startswith("Base64"):
            assert rest == "", name
        else:  # the surroundings of the key, and characters that depend on them
            assert len(rest) < len(text) - len(key), name


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", ["plain", "in a URL", "in JSON", "Base64 0 of 'user:', key, ''"])
def test_a_line_is_cut_after_the_key_is_removed(key: str, form: str) -> None:
    text = forms(key)[form]
    for start in range(40, 80):
        line = one_line("x " * (start // 2) + text + " y" * 200, key)
        assert not any(text[i : i + 8] in line for i in range(len(text) - 8)), start
    for end in range(100, 150):
        line = one_line("x " * 200 + text + "y" * end, key)
        assert not any(text[i : i + 8] in line for i in range(len(text) - 8)), end


@pytest.mark.parametrize("at", range(960, 1001, 4))
def test_an_error_page_is_cut_after_the_key_is_removed(at: int) -> None:
    key = KEYS[0]
    page = b"-" * at + key.encode() + b"-" * 500
    settings = OpenAISettings(model="m", base_url="http://h/v1", key="K")
    with serving(Answer(400, {"Content-Type": "text/html"}, page, page)) as api:
        address = settings.model_copy(update={"base_url": f"{api.url}/v1"})
        endpoint = OpenAIEndpoint.open(address, SecretStr(key))
        with pytest.raises(ProviderError) as told:
            endpoint.ask(Question("", "", {"type": "object", "properties": {}}))
    assert not any(key[i : i + 6] in str(told.value) for i in range(len(key) - 6))


@pytest.mark.parametrize("form", ["plain", "upper case", "in JSON, all characters", "in HTML"])
def test_a_reply_is_redacted_too(form: str) -> None:
    key = KEYS[1]
    content = json.dumps(f'{{"reasons": "{forms(key)[form]}"}}')
    answer = ok("TEXT")
    answer.openai = json.dumps(answer.openai).replace('"TEXT"', content).encode()
    with serving(answer) as api:
        settings = OpenAISettings(model="m", base_url=f"{api.url}/v1", key="K")
        question = Question("", "", {"type": "object", "properties": {}})
        reply = OpenAIEndpoint.open(settings, SecretStr(key)).ask(question)
    assert reply.text == '{"reasons": "[key]"}'


@pytest.mark.parametrize("key", ["none", "EMPTY", "x", "", None])
def test_a_placeholder_stays_in_replies_and_is_a_whole_word_in_errors(key: str | None) -> None:
    assert redact("none of EMPTY boxes x", key) == "none of EMPTY boxes x"
    line = one_line("nonetheless EMPTYING boxes", key)
    assert line == "nonetheless EMPTYING boxes"
    assert one_line("bad key EMPTY", "EMPTY") == "bad key [key]"


def test_the_password_in_a_url_is_removed() -> None:
    line = one_line("proxy http://user:pa55@proxy:3128/a and https://token@host", None)
    assert line == "proxy http://proxy:3128/a and https://host"


@pytest.mark.parametrize("piece", ["a", "sk-", "%41", "\\u0041", "\\\\", "&amp;", "QUl6", " "])
def test_twice_the_length_takes_about_twice_the_time(piece: str) -> None:
    def seconds(length: int) -> float:
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            redact(piece * (length // len(piece)), KEYS[0])
            best = min(best, time.process_time() - began)
        return best

    assert seconds(160_000) < 4 * 8 * max(seconds(20_000), 1e-3)
