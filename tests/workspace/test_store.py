"""The store: lookup by key, use by several processes, and no loss when one is killed."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.project import ROOT

from lek.errors import StoreError
from lek.records import Response, Vote
from lek.workspace.store import Store, key_of


def answer(text: str) -> Response:
    return Response(subject="base", case="T1", text=text)


def test_what_is_put_is_found_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "store.sqlite3")
    store.put("k1", "what?", answer("this"))
    assert store.get(["k1", "k2"]) == {"k1": answer("this")}
    many = [f"m{i}" for i in range(1200)]
    for key in many:
        store.put(key, "", answer(key))
    assert {r.text for r in store.get(many).values()} == set(many)


def test_the_latest_counts_and_the_earlier_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    Store(path, "earlier").put("k", "", answer("old"))
    store = Store(path, "this")
    assert store.get(["k"], fresh=True) == {}
    store.put("k", "", answer("new"))
    assert store.get(["k"])["k"].text == store.get(["k"], fresh=True)["k"].text == "new"
    rows = sqlite3.connect(path).execute("SELECT count(*) FROM responses").fetchone()
    assert rows == (2,)


@pytest.mark.parametrize(
    "other",
    [
        ("f2", [{"role": "user", "content": "q"}], {"max_tokens": 5}),
        ("f", [{"role": "user", "content": "Q"}], {"max_tokens": 5}),
        ("f", "q", {"max_tokens": 5}),
        ("f", [{"role": "user", "content": "q"}], {"max_tokens": 6}),
    ],
)
def test_whatever_decides_an_answer_is_in_its_key(other: tuple[str, object, dict]) -> None:
    one = key_of("f", [{"role": "user", "content": "q"}], {"max_tokens": 5})
    assert one == key_of("f", [{"content": "q", "role": "user"}], {"max_tokens": 5})
    assert one != key_of(*other)


def test_a_killed_writer_loses_nothing_that_was_put(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lek.workspace.store import Store\n"
        "from lek.records import Response\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for i in range(10**6):\n"
        "    store.put(f'k{i}', 'p', Response(subject='s', case='c', text=str(i)))\n"
        "    print(i, flush=True)\n"
    )
    path = tmp_path / "store.sqlite3"
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().splitlines() if line.isdigit()]
    writer.wait()
    found = Store(path).get(f"k{i}" for i in told)
    assert {r.text for r in found.values()} == {str(i) for i in told}


def test_a_row_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = Store(path)
    store.put("k", "", answer("right"))
    store.put("j", "", answer("other"))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE responses SET response = 'torn' WHERE key = 'k'")
    assert store.get(["k", "j"]) == {"j": answer("other")}
    store.put("k", "", answer("anew"))
    assert store.get(["k"]) == {"k": answer("anew")}


def test_many_first_openings_at_once_all_work(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from lek.workspace.store import Store; "
        "Store(pathlib.Path(sys.argv[1]))"
    )
    path = tmp_path / "store.sqlite3"
    command = [sys.executable, "-c", code, str(path)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    opened = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(8)]
    assert [(p.communicate()[1], p.returncode) for p in opened] == [(b"", 0)] * 8


def test_a_file_that_is_not_a_store_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_text("not a database, but long enough to be taken for the head of one" * 20)
    with pytest.raises(StoreError, match=r"store\.sqlite3: not a store: .*; move the file away"):
        Store(path)


def test_digests_follow_the_file(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store.sqlite3"), tmp_path / "weights"
    file.write_bytes(b"one")
    first = store.digest(file)
    file.write_bytes(b"two")  # same length, within the clock's resolution: still detected
    second = store.digest(file)
    assert first != second
    old = time.time() - 100
    os.utime(file, (old, old))
    assert store.digest(file) == store.digest(file) == second
    file.write_bytes(b"six")  # same length, and then the same modification time
    os.utime(file, (old, old))
    assert store.digest(file) != second


def test_fresh_does_not_depend_on_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite3"
    Store(path, "earlier").put("k", "", answer("old"))
    Store(path, "earlier").put_vote("v", Vote(scores={"m": 1.0}, reasons=""))
    monkeypatch.setattr(time, "time", lambda: 1.0)
    store = Store(path, "this")
    assert store.get(["k"], fresh=True) == store.votes(["v"], fresh=True) == {}


def test_a_store_of_an_early_version_is_used(tmp_path: Path) -> None:
    """Its tables have no column for the session."""
    path = tmp_path / "store.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE responses (key TEXT, created REAL, prompt TEXT, response TEXT)")
        db.execute("CREATE TABLE votes (key TEXT, created REAL, vote TEXT)")
        row = ("k", 1.0, "", answer("old").to_json())
        db.execute("INSERT INTO responses VALUES (?, ?, ?, ?)", row)
    store = Store(path, "this")
    assert store.get(["k"]) == {"k": answer("old")}
    assert store.get(["k"], fresh=True) == {}
    store.put("k", "", answer("new"))
    assert Store(path, "next").get(["k"]) == {"k": answer("new")}


def damage(path: Path) -> None:
    """Overwrite the middle of the file."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\xff" * 8192
    path.write_bytes(content)


def test_a_store_that_is_damaged_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = Store(path)
    for i in range(200):
        store.put(f"k{i}", "", answer("a longer text " * 50))
    store.close()
    damage(path)
    with pytest.raises(StoreError, match=r"store\.sqlite3: damaged: .*; move the file away"):
        Store(path).get(f"k{i}" for i in range(200))


def test_a_store_that_is_locked_by_another_process_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite3"
    monkeypatch.setattr("lek.workspace.store._PATIENCE", 0.1)
    store = Store(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked by another process: .*; end that process"):
        store.put("k", "", answer("this"))
    other.execute("ROLLBACK")
    store.put("k", "", answer("this"))


def test_closing_moves_all_rows_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store, other = Store(path), Store(path)
    store.put("k", "", answer("this"))
    store.close()
    shutil.copy(path, tmp_path / "copy.sqlite3")
    assert Store(tmp_path / "copy.sqlite3").get(["k"]) == {"k": answer("this")}
    other.close()
    assert not list(tmp_path.glob("store.sqlite3-*"))
