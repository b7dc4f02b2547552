"""A real Chromium, without a network, that reports what a page does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Seen:
    """What a page did besides showing itself: all lists are empty for a harmless page."""

    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether the page opened no dialog, requested nothing and reported no error."""
        return not (self.dialogs or self.requests or self.errors)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium, as a browser of Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # the sandbox of Chromium does not work for root, which is usual in a container
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Any, file: Path, address: str = "", **context: Any
) -> Iterator[tuple[Any, Seen]]:
    """The page in ``file`` after its scripts have run, and what it did until now.

    ``address``: the part after ``#``. ``context``: settings of a context of Playwright.
    """
    seen = Seen()
    settings = {"viewport": {"width": 1280, "height": 900}, "offline": True} | context
    with browser.new_context(**settings) as made:
        made.set_default_timeout(60_000)
        page = made.new_page()
        url = f"{file.as_uri()}{f'#{address}' if address else ''}"

        def on_dialog(dialog: Any) -> None:
            seen.dialogs.append(dialog.message)
            dialog.dismiss()

        def on_request(request: Any) -> None:
            if request.url.partition("#")[0] != file.as_uri():
                seen.requests.append(request.url)

        page.on("dialog", on_dialog)
        page.on("request", on_request)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda message: seen.errors.append(f"{message.type}: {message.text}"))
        page.goto(url)
        yield page, seen
