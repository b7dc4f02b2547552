"""A directory of models -> a model hub on loopback, as far as downloading a model needs one."""

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
    """Serves ``root``/owner/name; ``refuse`` is a status that it answers everything with."""

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

    def do_HEAD(self) -> None:  # the name that http.server wants
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
            owner, name, what = path.split("/")[2:5]
            place = hub.root / owner / name
            told = _tree(place) if what == "tree" else _model(f"{owner}/{name}", place)
            return self._send(200, json.dumps(told).encode(), {})
        if path.count("/") < 4:  # what the client asks besides, such as its news
            return self._send(404, b"{}", {})
        owner, name, _, _, file = path.split("/", 4)
        content = (hub.root / owner / name / file).read_bytes()
        etag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": SHA}
        return self._send(200, content, etag)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _model(name: str, place: Path) -> dict[str, Any]:
    files = sorted(p.name for p in place.iterdir())
    return {"id": name, "sha": SHA, "siblings": [{"rfilename": f} for f in files]}


def _tree(place: Path) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
        for p in sorted(place.iterdir())
    ]


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """A hub that serves ``root`` while the block runs."""
    hub = Hub(root)
    thread = Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
