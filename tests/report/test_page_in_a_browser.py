"""What a person sees of a sweep's page in Chromium: plots, filters, keyboard, dark mode."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raysweep import write_report

from recorded_sweep import MARKUP, record

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
TRIALS = 1000
MOST_BYTES = 6_000_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


@dataclass
class Opened:
    """A page, and what it asked for and complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def count(self) -> str:
        told: str = self.page.inner_text("#count")
        return told

    def wait_for_count(self, text: str) -> None:
        self.page.wait_for_function("text => document.all.count.textContent === text", arg=text)

    def drawn(self) -> dict[str, str]:
        """Each plot: `yes`, or `empty` where it says why there is none."""
        found: dict[str, str] = self.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.plot[id]')]"
            ".map((plot) => [plot.id, plot.dataset.drawn]))"
        )
        return found

    def sections(self) -> list[str]:
        names: list[str] = self.page.locator("main > section").evaluate_all(
            "all => all.map((each) => each.id)"
        )
        return names


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def opened(chromium: Any, path: Path, width: int = 1300) -> Opened:
    page = chromium.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(90_000)
    seen = Opened(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.complaints.append("a dialog"), dialog.dismiss()))
    page.on(
        "console",
        lambda said: seen.complaints.append(said.text) if said.type == "error" else None,
    )
    page.goto(path.as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    return seen


@pytest.mark.timeout(600)
def test_a_thousand_trials_whose_names_are_markup(chromium: Any, tmp_path: Path) -> None:
    states = [
        "failed" if i % 50 == 7 else "stopped" if i % 3 else "completed" for i in range(TRIALS)
    ]
    record(tmp_path, "big", states, markup=True)
    path = write_report("big", storage=tmp_path)
    assert path.stat().st_size < MOST_BYTES
    seen = opened(chromium, path)
    page = seen.page

    # Everything is drawn, and says what it shows.
    assert seen.sections() == [
        *("failures", "history", "parallel", "importances", "slices", "curves", "timeline"),
        *("trials", "evaluation", "lineage", "about"),
    ]
    assert set(seen.drawn().values()) == {"yes"}, seen.drawn()
    assert len(seen.drawn()) == 7
    assert page.locator("#plot-parallel .y-axis").count() == 5
    assert page.locator("#plot-slices .scatterlayer .trace").count() == 4
    assert page.locator("#plot-history .point").count() == TRIALS - states.count("failed")
    assert page.locator("h1").inner_text().startswith("trial-")
    assert MARKUP in page.locator(".causes").inner_text()
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("figcaption").all_inner_texts() == [
        "predicted 4, is 0",
        "predicted 1, is 7",
    ]
    assert page.locator("figure img").evaluate_all(
        "all => all.every((each) => each.naturalWidth === 8)"
    )
    assert page.locator("#lineage .focus title").text_content().startswith("trained-model:v0")

    # The filter, by keyboard alone; then a state's button.
    failed = states.count("failed")
    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press("/")
    page.keyboard.type("state:failed")
    seen.wait_for_count(f"{failed} of 1,000 trials")
    assert page.locator("#board tr.trial").count() == failed
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    detail = page.locator("#board .detail")
    assert "train.py:12" in detail.inner_text()
    assert "the last line" in detail.locator("pre").last.inner_text()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    seen.wait_for_count("1,000 trials")
    page.locator("#filter").fill("learning_rate<0.01 dropout>=0.3 -")
    page.locator("#filter").fill("learning_rate<0.01 dropout>=0.3 SGD")
    page.wait_for_function("document.all.count.textContent.includes(' of ')")
    some = int(seen.count().split(" ")[0])
    assert 0 < some < TRIALS / 3
    page.wait_for_function(
        "some => document.querySelectorAll('#plot-history .point').length <= some", arg=some
    )
    page.locator("#clear").click()
    page.locator("[data-state=stopped]").click()
    seen.wait_for_count(f"{states.count('stopped')} of 1,000 trials")
    page.locator("#clear").click()
    seen.wait_for_count("1,000 trials")

    # A brush on an axis narrows the rest, and can be dropped.
    page.locator("#parallel").scroll_into_view_if_needed()
    page.locator("#plot-parallel").evaluate(
        "plot => scrollBy(0, plot.getBoundingClientRect().top - 120)"
    )
    box = page.locator("#plot-parallel .axis-brush").first.bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + box["height"] * 0.35)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] * 0.5, steps=3)
    page.mouse.move(middle, box["y"] + box["height"] * 0.6, steps=3)
    page.mouse.up()
    page.wait_for_function("document.all.count.textContent.includes(' of ')")
    assert page.locator("#brushes").inner_text().startswith("learning_rate 0.00")
    page.locator("#brushes button").press("Enter")
    seen.wait_for_count("1,000 trials")

    # The table sorts; a point opens its trial.
    page.locator("th[data-key='v:learning_rate'] button").press("Enter")
    assert page.locator("th[data-key='v:learning_rate']").get_attribute("aria-sort") == "descending"
    rates = page.locator("#board tr.trial td:nth-child(6)").all_inner_texts()[:9]
    assert [*map(float, rates)] == sorted(map(float, rates), reverse=True)
    page.locator("#curves select").select_option("validation/loss")
    assert page.locator("#plot-curves .ytitle").text_content() == "validation/loss"

    # Dark mode is drawn anew, in other colours.
    ink = "getComputedStyle(document.querySelector('#plot-history .xtick text')).fill"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => {ink} !== light", arg=light)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(20, 23, 26)"

    assert seen.complaints == []
    assert {url for url in seen.requests if not url.startswith(("data:", "blob:"))} == {
        path.as_uri()
    }
    page.close()


def test_small_sweeps_side_by_side_and_a_narrow_screen(chromium: Any, tmp_path: Path) -> None:
    record(tmp_path, "one", ["completed"], metric="validation/loss")
    record(tmp_path, "broken", ["failed"] * 3)
    record(tmp_path, "short", ["completed"] * 8)
    record(tmp_path, "live", [*["completed"] * 5, "stopped", "running"], ended=False)

    only = opened(chromium, write_report("one", storage=tmp_path), width=400)
    assert only.page.locator("h1").inner_text().startswith("trial-0000, the only trial, won with")
    assert only.sections() == ["curves", "timeline", "trials", "evaluation", "lineage", "about"]
    assert set(only.drawn().values()) == {"yes"}
    assert only.page.evaluate("document.documentElement.scrollWidth") == 400

    broken = opened(chromium, write_report("broken", storage=tmp_path))
    assert broken.page.locator("h1").inner_text() == "No winner: all 3 trials failed."
    broken.page.locator(".causes button").click()
    assert broken.page.locator("#board .detail").is_visible()

    both = opened(
        chromium, write_report("short", "live", storage=tmp_path, output=tmp_path / "both.html")
    )
    assert " is ahead: its trial-" in both.page.locator("h1").inner_text()
    assert both.page.locator("header table tbody tr").count() == 2
    assert set(both.drawn().values()) == {"yes"}, both.drawn()
    both.page.locator("#filter").fill("sweep:live")
    both.wait_for_count("7 of 15 trials")
    assert [*only.complaints, *broken.complaints, *both.complaints] == []
