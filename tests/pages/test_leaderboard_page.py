import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boards
import pytest
from pages import browser

from medperf.evidence.leaderboard_page import page
from medperf.web import html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with browser.opened() as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "leaderboard.html"
    path.write_text(html.render(page(boards.leaderboard()), live=True), encoding="utf-8")
    return path


@pytest.fixture
def shown(chromium: "Browser", file: Path) -> Iterator["Page"]:
    context = chromium.new_context(offline=True, viewport={"width": 1200, "height": 800})
    tab = context.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(file.as_uri())
    tab.wait_for_function("document.querySelectorAll('[data-live]').length === 6")
    yield tab
    context.close()
    assert said == [], "the page complained"


def test_charts_come_alive_offline_under_the_strict_policy(shown: "Page") -> None:
    assert shown.locator("[data-live] svg").count() == 6


def test_a_chart_looks_the_same_on_the_page_and_in_the_file(shown: "Page", file: Path) -> None:
    drawn = re.findall(r"data-chart=\"([^\"]+)\">(<svg.*?</svg>)", file.read_text(), re.DOTALL)
    for name, svg in drawn:
        live = shown.locator(f'[data-chart="{name}"] svg').inner_html()
        assert _texts(live) == _texts(svg), name
        # Marks lie at the same places; letters may be a little wider in the browser's own font.
        assert _numbers(live) == pytest.approx(_numbers(svg), abs=3), name


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_nothing_but_charts_and_tables_is_wider_than_the_screen(shown: "Page", width: int) -> None:
    shown.set_viewport_size({"width": width, "height": 800})
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", SCHEMES)
def test_charts_follow_the_theme(shown: "Page", scheme: str) -> None:
    shown.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    color = shown.evaluate("getComputedStyle(document.querySelector('[data-live] svg text')).fill")
    assert color == {"light": "rgb(27, 36, 48)", "dark": "rgb(232, 236, 241)"}[scheme]


def test_the_keyboard_reaches_the_content_first(shown: "Page") -> None:
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.className") == "skip"
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "content"


def test_a_table_opens_by_the_keyboard(shown: "Page") -> None:
    summary = shown.locator("#forest-auroc summary")
    summary.focus()
    shown.keyboard.press("Enter")
    assert shown.locator("#forest-auroc table").is_visible()


def test_paper_has_the_tables_and_no_navigation(shown: "Page") -> None:
    shown.emulate_media(media="print")
    assert not shown.locator("nav").is_visible()
    assert shown.locator("#forest-auroc table").is_visible()


def test_the_page_can_be_read_without_scripts(chromium: "Browser", file: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    tab = context.new_page()
    tab.goto(file.as_uri())
    assert tab.locator("figure svg").count() == 6
    context.close()


def _texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def _numbers(svg: str) -> list[float]:
    paths = "".join(re.findall(r"<path[^>]* d=\"([^\"]*)\"", svg))
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", paths)]
