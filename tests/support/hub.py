"""Fake Hugging Face hub on loopback, with the requests that downloading a model needs."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """A server of ``root``/owner/name; ``refuse``: an HTTP status to return for all requests."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.refuse: int | None = None
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

    def _answer(self) -> None:
        hub, path = self.server, self.path.split("?")[0].strip("/")
        hub.asked.append(f"{self.command} {path}")
        if hub.refuse is not None:
            code = {401: "GatedRepo", 404: "RepoNotFound"}.get(hub.refuse, "")
            return self._send(hub.refuse, b"{}", {"X-Error-Code": code})
        if path.startswith("api/models/"):
            owner, name, resource = path.split("/")[2:5]
            directory = hub.root / owner / name
            tree = resource == "tree"
            body = _tree(directory) if tree else _model(f"{owner}/{name}", directory)
            return self._send(200, json.dumps(body).encode(), {})
        if path.count("/") < 4:  # other requests of the client
            return self._send(404, b"{}", {})
        owner, name, _, _, file = path.split("/", 4)
        content = (hub.root / owner / name / file).read_bytes()
        metadata = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": SHA}
        return self._send(200, content, metadata)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _model(name: str, directory: Path) -> dict[str, Any]:
    files = sorted(p.name for p in directory.iterdir())
    return {"id": name, "sha": SHA, "siblings": [{"rfilename": f} for f in files]}


def _tree(directory: Path) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
        for p in sorted(directory.iterdir())
    ]


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
