"""What a person sees in Chromium: the whole graph from raw data to best, curves, pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from signal import SIGINT
from typing import Any
from urllib.parse import urlsplit

import pytest

from raysweep import run_sweep

from commands import start
from sweeps import HAS_LOCAL_MODE, digits, grid

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium")
QUIET = [  # nothing but the page itself may ask the network for anything
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


@dataclass
class Browser:
    """A page on the dashboard, and what it asked for and complained of so far."""

    page: Any
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def text(self) -> str:
        words: str = self.page.inner_text("body")
        return words

    def nodes(self) -> set[str]:
        """The whole names of the graph's nodes, which its boxes cut short."""
        return set(self.page.locator("svg title").all_text_contents())

    def tab(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that `dashboard` prints for a sweep of two trials; Ctrl-C ends it well."""
    folder = tmp_path_factory.mktemp("dashboard")
    storage = folder / "runs"
    config = digits(grid(learning_rate=[0.01, 0.003]))
    run_sweep(config, name="s", storage=storage, local_mode=HAS_LOCAL_MODE)  # quicker, where it can
    with start("dashboard", "--no-browser", "--json", "--storage", storage) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(SIGINT)
            process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.fixture
def browser(url: str) -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = chromium.new_page(viewport={"width": 1600, "height": 900})
        seen = Browser(page, url)
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: seen.complaints.append(said.text) if said.type == "error" else None,
        )
        page.goto(url)
        page.get_by_role("button", name="Fit").wait_for()  # the graph is drawn
        yield seen
        chromium.close()
    hosts = {urlsplit(asked).netloc for asked in seen.requests if not asked.startswith("data:")}
    assert hosts == {urlsplit(url).netloc}, "everything comes from 127.0.0.1"
    assert seen.complaints == []


def test_it_opens_on_the_whole_graph_from_raw_data_to_best(browser: Browser) -> None:
    nodes = browser.nodes()
    runs = {"load-data-s", "preprocess-data-s", "trial-0000-s", "trial-0001-s", "report-s"}
    artifacts = {"digits-raw:v0", "digits-preprocess:v0", "convnet:v0"}
    assert runs | artifacts | {"trained-model:v0", "trained-model:v1"} <= nodes
    assert any(name.startswith("initialize-") for name in nodes)
    assert {"trained-model", "best", "best-s"} <= set(browser.text().splitlines())


def test_curves_and_the_report_are_there(browser: Browser) -> None:
    browser.tab("Metrics")
    browser.page.get_by_text("validation (2)").wait_for()
    assert "train (1)" in browser.text()

    browser.tab("Media & Tables")
    browser.page.get_by_text("high-loss-examples").wait_for()
    assert "confusion-matrix" in browser.text()
    browser.page.set_viewport_size({"width": 1600, "height": 6000})  # a picture loads when in view
    browser.page.wait_for_function(
        "[...document.images].filter(image => image.src.includes('/file?')"
        " && image.complete && image.naturalWidth === 28).length === 32"
    )
