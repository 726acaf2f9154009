"""A real browser for the pages: Debian's Chromium, without a screen, and with no way to anything but this machine.

axe looks at them for what keeps people from reading or using them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
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


def faults(opened: Page, without: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds against the accessibility of the page as it is, contrast of WCAG AA among it.

    Args:
        opened: the page.
        without: rules of axe that are not asked about.
    """
    rules = {name: {"enabled": False} for name in without}
    found = Axe().run(opened, options={"resultTypes": ["violations"], "rules": rules}).response["violations"]
    return [f"{fault['id']}: {node['html']}" for fault in found for node in fault["nodes"]]


def _elsewhere(url: str) -> list[str]:
    return [] if url.startswith(("http://127.0.0.1:", "data:", "blob:")) else [url]
