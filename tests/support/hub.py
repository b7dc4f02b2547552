"""Fake Hugging Face hub on loopback, with the requests for downloading models and data sets."""

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from lek.models.weights import header_of

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """A server of the models and data sets in ``root``/owner/name.

    ``refuse``: an HTTP status to return for all requests. ``token``: the valid token, of the user
    ``tester``. ``gated``: models that are given only to users who accepted their terms. ``delay``:
    seconds until a request is answered. Every revision that looks like a commit exists, and has
    the same files.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.refuse: int | None = None
        self.token: str | None = None
        self.gated: set[str] = set()
        self.delay = 0.0
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:  # name required by http.server
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(200, b"[]", {})

    def _answer(self) -> None:
        hub, path = self.server, self.path.split("?")[0].strip("/")
        hub.asked.append(f"{self.command} {path}")
        time.sleep(hub.delay)
        if hub.refuse is not None:
            code = {401: "GatedRepo", 404: "RepoNotFound"}.get(hub.refuse, "")
            return self._send(hub.refuse, b"{}", {"X-Error-Code": code})
        if path.startswith("api/datasets/"):
            return self._dataset(path.split("/")[2:])
        if path.startswith("datasets/"):
            owner, name, _, revision, *file = path.split("/")[1:]
            return self._file(hub.root / owner / name, revision, "/".join(file))
        if path == "api/whoami-v2":
            return self._whoami()
        if path.startswith("api/models/"):
            owner, name, *resource = path.split("/")[2:5]
            directory = hub.root / owner / name
            if not directory.is_dir():
                return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            tree = resource == ["tree"]
            body = _tree(directory) if tree else self._model(f"{owner}/{name}", directory)
            return self._send(200, json.dumps(body).encode(), {})
        if path.count("/") < 4:  # other requests of the client
            return self._send(404, b"{}", {})
        owner, name, _, _, file = path.split("/", 4)
        content = (hub.root / owner / name / file).read_bytes()
        metadata = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": SHA}
        return self._send(200, content, metadata)

    def _whoami(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self._send(401, b'{"error": "Invalid username or password."}', {})
        access = {"type": "access_token", "accessToken": {"displayName": "t", "role": "read"}}
        body = {"type": "user", "name": "tester", "orgs": [], "auth": access}
        return self._send(200, json.dumps(body).encode(), {})

    def _model(self, name: str, directory: Path) -> dict[str, Any]:
        """The facts on a model; with ``blobs`` also the sizes of its files."""
        body = _model(name, directory)
        body["gated"] = "manual" if name in self.server.gated else False
        if "blobs=true" in self.path.lower():
            for sibling in body["siblings"]:
                sibling["size"] = (directory / sibling["rfilename"]).stat().st_size
                sibling["blobId"] = SHA
        return body

    def _dataset(self, path: list[str]) -> None:
        """Answer a request for the facts on a data set, or for the list of its files."""
        owner, name, *rest = path
        directory = self.server.root / owner / name
        if not directory.is_dir():
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        files = sorted(str(f.relative_to(directory)) for f in directory.rglob("*") if f.is_file())
        if rest[:1] == ["tree"]:
            folder = "".join(f"{part}/" for part in rest[2:])
            found = [f for f in files if f.startswith(folder)]
            below = {
                f.removeprefix(folder).partition("/")[0] for f in found if "/" in f[len(folder) :]
            }
            if "recursive=true" not in self.path.lower():
                found = [f for f in found if "/" not in f.removeprefix(folder)]
            body = [_entry(directory / f, f) for f in found]
            body += [{"type": "directory", "path": folder + b, "oid": SHA} for b in sorted(below)]
            return self._send(200, json.dumps(body).encode(), {})
        siblings = [{"rfilename": f} for f in files]
        sha = _commit(rest[1] if len(rest) > 1 else "main")
        body_of_set = {"id": f"{owner}/{name}", "sha": sha, "siblings": siblings}
        return self._send(200, json.dumps(body_of_set).encode(), {})

    def _file(self, directory: Path, revision: str, name: str) -> None:
        """Answer a request for a file of a data set."""
        metadata = {"X-Repo-Commit": _commit(revision)}
        if not directory.is_dir():
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if not (directory / name).is_file():
            return self._send(404, b"{}", metadata | {"X-Error-Code": "EntryNotFound"})
        content = (directory / name).read_bytes()
        metadata["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
        return self._send(200, content, metadata)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _commit(revision: str) -> str:
    return revision if len(revision) == 40 else SHA


def _entry(file: Path, name: str) -> dict[str, Any]:
    content = file.read_bytes()
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return {"type": "file", "path": name, "size": len(content), "oid": digest}


def _model(name: str, directory: Path) -> dict[str, Any]:
    files = sorted(p.name for p in directory.iterdir())
    config = json.loads((directory / "config.json").read_bytes())
    shown = {
        k: config[k] for k in ("model_type", "architectures", "quantization_config") if k in config
    }
    values: Counter[str] = Counter()
    for file in directory.glob("*.safetensors"):
        for tensor in header_of(file).values():
            values[tensor["dtype"]] += math.prod(tensor["shape"])
    return {
        "id": name,
        "sha": SHA,
        "siblings": [{"rfilename": f} for f in files],
        "config": shown,
        "safetensors": {"parameters": values, "total": sum(values.values())},
    }


def _tree(directory: Path) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
        for p in sorted(directory.iterdir())
    ]


def write_dataset(
    folder: Path, config: str, split: str, rows: list[dict[str, Any]], subfolder: str = "data"
) -> Path:
    """Write a configuration of one Parquet file to the data set ``folder``; return that file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / subfolder / f"{split}-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), file)
    card = folder / "README.md"
    others = card.read_text().removesuffix("---\n") if card.is_file() else "---\nconfigs:\n"
    card.write_text(
        f"{others}- config_name: {config}\n  data_files:\n"
        f"  - split: {split}\n    path: {subfolder}/{split}-*\n---\n"
    )
    return file


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """Run a hub that serves ``root`` until the block ends."""
    hub = Hub(root)
    thread = Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
