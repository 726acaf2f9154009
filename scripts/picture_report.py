"""Take a picture of the top of a report for the README, in light and dark.

`python scripts/picture_report.py RUN/report.html FOLDER` writes report-light.png and report-dark.png into the folder.
It needs Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1000, 1080  # pixels; the rest is cut off


def main(report: Path, folder: Path) -> None:
    """Write both pictures."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        raise SystemExit("error: there is no browser: install Debian's package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            opened.goto(report.resolve().as_uri())
            opened.screenshot(path=folder / f"report-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
