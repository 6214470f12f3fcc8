"""A real browser: import ``page`` where a test looks at pages."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.kit.tools import CHROMIUM_ARGUMENTS, chromium, is_missing


@pytest.fixture
def page() -> Iterator[Page]:
    """A page in Chromium; skipped where there is none, but not by CI."""
    found = chromium()
    if found is None:
        is_missing("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, headless=True, args=CHROMIUM_ARGUMENTS)
        opened = browser.new_page(viewport={"width": 1200, "height": 1250})
        yield opened
        browser.close()
