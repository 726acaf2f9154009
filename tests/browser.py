"""A real browser for the pages: Debian's Chromium, without a screen, and with no way to anything but this machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

_QUIET = ["background-networking", "component-update", "sync", "quic", "gpu"]


@contextmanager
def page(width: int = 1000, height: int = 900) -> Iterator[Page]:
    """Yield an empty page. What the browser logs as an error, and requests to other machines, fail the test."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no browser: install Debian's package chromium")
    problems: list[str] = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in _QUIET)]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        try:
            opened = browser.new_page(viewport={"width": width, "height": height})
            opened.on("pageerror", lambda error: problems.append(str(error)))
            opened.on("requestfailed", lambda request: problems.append(request.url))
            opened.on("request", lambda request: problems.extend(_elsewhere(request.url)))
            yield opened
        finally:
            browser.close()
    assert not problems


def _elsewhere(url: str) -> list[str]:
    return [] if url.startswith(("http://127.0.0.1:", "data:", "blob:")) else [url]
