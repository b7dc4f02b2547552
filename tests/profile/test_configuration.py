"""Which file configures pytest, compared with pytest's own search."""

from pathlib import Path

import pytest
from _pytest.config.findpaths import locate_config

from lek.errors import BadInput
from lek.profile.configuration import find_configuration

SET = "lek_profile = x\n"
TOML = 'lek_profile = "x"\n'


@pytest.mark.parametrize(
    ("files", "name", "profile"),
    [
        ({}, None, None),
        ({"pytest.ini": ""}, "pytest.ini", None),
        ({"pytest.ini": f"[pytest]\n{SET}"}, "pytest.ini", "x"),
        ({"pytest.ini": "[pytest]\nlek_profile =\n"}, "pytest.ini", None),
        ({".pytest.ini": f"# none\n[pytest]\n{SET}"}, ".pytest.ini", "x"),
        ({"pyproject.toml": "[project]\nname = 'a'\n"}, None, None),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "pyproject.toml", None),
        ({"pyproject.toml": f"[tool.pytest.ini_options]\n{TOML}"}, "pyproject.toml", "x"),
        ({"tox.ini": "[tox]\nenvlist = a,\n    b\n"}, None, None),
        ({"tox.ini": f"[tox]\nenvlist = a,\n    b\n[pytest]\n{SET}"}, "tox.ini", "x"),
        ({"setup.cfg": "[metadata]\nname = a\n"}, None, None),
        ({"setup.cfg": f"[tool:pytest]\n{SET}"}, "setup.cfg", "x"),
        ({"pytest.ini": "", "tox.ini": f"[pytest]\n{SET}"}, "pytest.ini", None),
        (
            {"pyproject.toml": "[tool.pytest.ini_options]\n", "tox.ini": f"[pytest]\n{SET}"},
            "pyproject.toml",
            None,
        ),
        (
            {"pyproject.toml": "[tool.other]\n", "setup.cfg": f"[tool:pytest]\n{SET}"},
            "setup.cfg",
            "x",
        ),
    ],
)
def test_the_file_is_the_one_that_pytest_uses(
    tmp_path: Path, files: dict[str, str], name: str | None, profile: str | None
) -> None:
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    found = find_configuration(tmp_path)
    assert (found and found.file.name) == name
    assert (found and found.profile) == profile
    used = locate_config(tmp_path, [tmp_path])[1]
    assert found is None or found.file == used


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 reads these tables")
@pytest.mark.parametrize(
    ("name", "text", "profile"),
    [
        ("pytest.toml", "", None),
        ("pytest.toml", f"[pytest]\n{TOML}", "x"),
        (".pytest.toml", f"[pytest]\n{TOML}", "x"),
        ("pyproject.toml", f"[tool.pytest]\n{TOML}", "x"),
    ],
)
def test_tables_of_toml(tmp_path: Path, name: str, text: str, profile: str | None) -> None:
    (tmp_path / name).write_text(text)
    found = find_configuration(tmp_path)
    assert found is not None
    assert (found.file.name, found.profile) == (name, profile)
    assert locate_config(tmp_path, [tmp_path])[1] == found.file


@pytest.mark.parametrize(
    ("name", "table", "line"),
    [
        ("pytest.ini", "pytest", "lek_profile = main"),
        ("tox.ini", "pytest", "lek_profile = main"),
        ("setup.cfg", "tool:pytest", "lek_profile = main"),
        ("pyproject.toml", "tool.pytest.ini_options", 'lek_profile = "main"'),
    ],
)
def test_the_line_to_add_is_valid(tmp_path: Path, name: str, table: str, line: str) -> None:
    (tmp_path / name).write_text(f"[{table}]\n")
    found = find_configuration(tmp_path)
    assert found is not None
    assert (found.table, found.line("main")) == (table, line)
    (tmp_path / name).write_text(f"[{table}]\n{line}\n")
    again = find_configuration(tmp_path)
    assert again is not None and again.profile == "main"


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("pytest.ini", b"nonsense\n", r"pytest.ini: line 1: .*; correct the line"),
        ("pyproject.toml", b"[tool\n", r"pyproject.toml: .*; correct the file"),
        ("tox.ini", b"\xff\xfe", r"tox.ini: .*; correct the file"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=error) as caught:
        find_configuration(tmp_path)
    assert "\n" not in str(caught.value)
