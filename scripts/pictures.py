"""Make the pictures of README and docs from the default run: the report and the terminal.

    python scripts/pictures.py

Evaluates the sandbox (models and answers that are stored are used again) and writes
docs/report.png, docs/case.png and docs/terminal.png. Needs Chromium and the `dev` packages.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGE = "<body style='margin:0;background:#16181d;color:#e6e9ee'>{}</body>"
_LINES = 42
STYLE = "display:inline-block;margin:0;padding:14px 18px;font:14px/1.35 monospace"


def evaluate(directory: Path) -> str:
    """Evaluate the sandbox; return what the terminal shows, with colours, and write the report."""
    command = [sys.executable, "-m", "pytest", "evals", "--color=yes", "-p", "no:cacheprovider"]
    command += [f"--html={directory}/report.html", "--self-contained-html"]
    environment = os.environ | {"COLUMNS": "80"}
    run = [*command, f"--lek-out={directory}/run"]
    done = subprocess.run(  # noqa: S603 - fixed arguments
        run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def terminal(output: str) -> str:
    """The beginning of the summary in ``output`` as HTML."""
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if " lek: " in line and "=" in line)
    console = Console(record=True, width=80, file=io.StringIO())
    for line in lines[start : start + _LINES]:
        console.print(Text.from_ansi(line), no_wrap=True)
    code = console.export_html(inline_styles=True, code_format="{code}")
    return PAGE.format(f'<pre id="t" style="{STYLE}">{code}</pre>')


def main() -> None:
    """Evaluate, open the pages and write the pictures."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        directory = Path(scratch)
        (directory / "terminal.html").write_text(terminal(evaluate(directory)), encoding="utf-8")
        browser: Any = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((directory / "report.html").as_uri())
        page.locator(".lek-list tbody a").first.wait_for()
        page.screenshot(path=ROOT / "docs" / "report.png")
        page.get_by_label("benchmark", exact=True).select_option("truthfulqa")
        page.get_by_label("sort by", exact=True).select_option("better")
        page.locator(".lek-list tbody a").first.click()
        page.locator(".lek-answer").first.wait_for()
        page.screenshot(path=ROOT / "docs" / "case.png")
        page.goto((directory / "terminal.html").as_uri())
        page.locator("#t").screenshot(path=ROOT / "docs" / "terminal.png")
        browser.close()


if __name__ == "__main__":
    main()
