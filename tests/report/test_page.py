"""The report page in a real browser: what it shows, what its controls do, and that it asks nobody for anything."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from ctrecon.report.chart import Chart
from ctrecon.report.page import Page, Record, Scatter, Slide, write_page

HOSTILE = "</script><img src=x onerror=alert(1)>"
NAMES = ["plain", "c4", HOSTILE]


def chart(title):
    """Two panels, a line, a band and five points in each for every name."""
    figure, notes = Figure(figsize=(9, 4)), {}
    for panel, axes in enumerate(figure.subplots(1, 2)):
        axes.set_title(HOSTILE)
        for k in range(len(NAMES)):
            x, y = np.arange(5), np.arange(5) + k
            axes.plot(x, y, color=f"C{k}")[0].set_gid(f"s{k}.line.{panel}")
            axes.fill_between(x, y - 0.2, y + 0.2, color=f"C{k}", alpha=0.2).set_gid(f"s{k}.band.{panel}")
            for number in x:
                gid = f"s{k}.point.{5 * panel + number}"
                axes.plot([number], [y[number]], "o", color=f"C{k}")[0].set_gid(gid)
                notes[gid] = f"{NAMES[k]}, panel {panel}, {number} images: {y[number]} dB"
    return Chart(title, figure, {f"s{k}": name for k, name in enumerate(NAMES)}, notes)


def page():
    rng = np.random.default_rng(0)
    slides = [
        Slide(f"image {k}", {name: rng.random((16, 16)) for name in ["truth", *NAMES]}, {"c4": f"PSNR 3{k}.00 dB"})
        for k in range(2)
    ]
    values = {
        "plain": {"0": [30.0, 31.0, 32.0, 33.0], "90": [30.0, 31.0, 32.0, 33.0]},
        "c4": {"0": [30.5, 31.5, 32.5, 32.0], "90": [29.0, 30.0, 31.0, float("nan")]},
        HOSTILE: {"0": [31.0] * 4, "90": [31.0] * 4},
    }
    rows = [{"run": name, "seeds": "5", **{f"PSNR at {turn} deg": "30.17 [29.10, 31.10]" for turn in range(9)}} for name in NAMES]
    return Page(
        f"Study of {HOSTILE}",
        ["c4 is better, +0.48 [+0.31, +0.66] dB."],
        [chart("PSNR"), chart("SSIM")],
        [("All contestants", rows)],
        slides,
        Scatter("plain", NAMES, ["0", "90"], [f"image {k}" for k in range(4)], values),
        [Record(HOSTILE, f"ctrecon train name='{HOSTILE}' " + "x" * 200, {"device": "cpu"}, [{"claim": HOSTILE, "holds": "yes"}])],
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(page(), path)
    return path


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, report):
    """Opens the report; in the end, no request but for the file itself was made, and nothing was complained about."""
    contexts, requests, complaints = [], [], []

    def open_(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.route("**/*", lambda route: (requests.append(route.request.url), route.continue_()))
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (complaints.append("a hostile name ran"), dialog.dismiss()))
        tab.goto(report.as_uri())
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert requests == [report.as_uri()] * len(contexts)
    assert complaints == []


def pixels(tab, side):
    """What the canvas of a side shows, (16, 16, 4)."""
    read = """side => {
        const copy = new OffscreenCanvas(16, 16).getContext("2d", { willReadFrequently: true });
        copy.drawImage(document.getElementById(side + "-canvas"), 0, 0);
        return [...copy.getImageData(0, 0, 16, 16).data];
    }"""
    return np.reshape(tab.evaluate(read, side), (16, 16, 4))


class Resources(HTMLParser):
    """Collects what the tags of a page point to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [
            value for name, value in attributes if name in ("src", "srcset", "href", "xlink:href", "action", "data", "poster")
        ]


def test_file_names_no_resource_outside_it(report):
    text = report.read_text()
    assert {value[0] if value[0] == "#" else value for value in Resources(text).found} == {"#", "data:,"}
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert "@import" not in text
    assert set(re.findall(r"\w+://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # namespaces


def test_same_page_gives_the_same_bytes_and_ids_once(report, tmp_path):
    write_page(page(), tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()
    ids = re.findall(r'\bid="([^"]*)"', report.read_text())
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', report.read_text())
    assert set(used) <= set(ids)


def test_parts_without_content_are_left_out(tmp_path):
    write_page(Page("Nothing yet", ["No run is done."]), tmp_path / "report.html")
    assert re.findall(r'<section id="(\w+)"', (tmp_path / "report.html").read_text()) == ["summary"]


def test_picture_that_diverged_is_written(tmp_path):
    slide = Slide("image 0", {"truth": np.ones((4, 4)), "plain": np.full((4, 4), np.nan)}, {})
    write_page(Page("Study", [], slides=[slide]), tmp_path / "report.html")
    assert "NaN" not in (tmp_path / "report.html").read_text().partition('id="data"')[2].partition("</script>")[0]


def test_hostile_names_are_shown_as_text(opened):
    tab = opened()
    assert tab.locator("img").count() == 0
    assert tab.title() == f"Study of {HOSTILE}"
    assert tab.locator("svg text").filter(has_text=HOSTILE).count() == 4
    assert tab.locator("#tables tbody th").last.inner_text() == HOSTILE
    assert tab.locator("#right option").last.inner_text() == HOSTILE
    assert tab.locator(".chart").first.locator("fieldset label").last.inner_text() == HOSTILE
    tab.locator("#scatter-name").select_option(HOSTILE)
    assert tab.locator("#scatter-count").inner_text().startswith(HOSTILE)


def test_box_of_a_series_shows_and_hides_its_artists(opened):
    tab = opened()
    first = tab.locator(".chart").first
    visible = lambda key: first.locator(f"svg [data-series={key}]").evaluate_all(  # noqa: E731
        "artists => artists.filter(artist => artist.getBoundingClientRect().width).length"
    )
    assert (visible("s0"), visible("s1")) == (14, 14)
    first.get_by_label("c4", exact=True).focus()
    tab.keyboard.press("Space")
    assert (visible("s0"), visible("s1")) == (14, 0)
    first.get_by_role("button", name="none").click()
    assert (visible("s0"), first.locator("[tabindex='0'].point:visible").count()) == (0, 0)
    first.get_by_role("button", name="all").click()
    assert (visible("s0"), visible("s1")) == (14, 14)
    assert tab.locator(".chart").nth(1).locator("svg .off").count() == 0


def test_keys_go_from_point_to_point_and_the_tip_tells_the_note(opened):
    tab = opened()
    tip = tab.locator("#tip")
    tab.locator(".chart button").nth(1).focus()
    tab.keyboard.press("Tab")
    assert tip.inner_text() == "plain, panel 0, 0 images: 0 dB"
    tab.keyboard.press("ArrowRight")
    assert tip.inner_text() == "plain, panel 0, 1 images: 1 dB"
    tab.keyboard.press("ArrowDown")
    assert tip.inner_text() == "c4, panel 0, 1 images: 2 dB"
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == tip.inner_text()
    tab.keyboard.press("Tab")  # one stop, not thirty
    assert not tip.is_visible()
    assert tab.evaluate("document.activeElement.closest('svg')") is None
    tab.locator(".chart").first.get_by_label("plain, panel 1, 2 images: 2 dB").hover()
    assert tip.inner_text() == "plain, panel 1, 2 images: 2 dB"


def test_divider_moves_by_keyboard_and_by_dragging(opened):
    tab = opened()
    at = lambda: tab.evaluate("document.getElementById('line').offsetLeft / document.getElementById('frame').offsetWidth")  # noqa: E731
    seen = tab.locator("#frame").screenshot()
    tab.locator("#divider").focus()
    for _ in range(10):
        tab.keyboard.press("ArrowRight")
    assert at() == pytest.approx(0.6, abs=0.01)
    assert tab.locator("#frame").screenshot() != seen
    box = tab.locator("#frame").bounding_box()
    tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 50)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 60)
    tab.mouse.up()
    assert at() == pytest.approx(0.2, abs=0.01)
    assert tab.locator("#divider").input_value() == "20"
    assert "row " in tab.locator("#pixel").inner_text()


def test_pictures_are_those_chosen_and_in_their_window(opened):
    tab = opened()
    chosen = page().slides[0].pictures
    tab.locator("#right").select_option("c4")
    assert tab.locator("#right-caption").inner_text() == "c4\nPSNR 30.00 dB"
    low, high = chosen["truth"].min(), float(tab.locator("#high").input_value())
    expected = np.clip(255 * (chosen["c4"] - low) / (high - low), 0, 255)
    np.testing.assert_allclose(pixels(tab, "right")[..., 0], expected, atol=2)
    before = pixels(tab, "left")
    tab.locator("#high").fill("0.5")
    assert not np.array_equal(pixels(tab, "left"), before)
    assert tab.locator("#high-shown").inner_text() == "0.500"
    seen = tab.locator("#frame").screenshot()
    tab.locator("#zoom").fill("4")
    tab.locator("#across").fill("0")
    assert tab.locator("#frame").screenshot() != seen
    assert tab.locator("#left-canvas").bounding_box()["width"] == pytest.approx(4 * tab.locator("#frame").bounding_box()["width"])
    tab.get_by_role("button", name="Reset view").click()
    assert tab.locator("#zoom-shown").inner_text() == "1 ×"
    assert np.array_equal(pixels(tab, "left"), before)
    tab.locator("#slice").select_option("1")
    assert tab.locator("#right-caption").inner_text() == "c4\nPSNR 31.00 dB"
    assert not np.array_equal(pixels(tab, "left"), before)


def test_difference_is_right_minus_left_in_red_and_blue(opened):
    tab = opened()
    tab.locator("#right").select_option("c4")
    tab.locator("#difference").check()
    chosen = page().slides[0].pictures
    red, _, blue, _ = np.moveaxis(pixels(tab, "right"), -1, 0)
    difference = chosen["c4"] - chosen["truth"]
    sure = np.abs(difference) > 0.01
    assert np.array_equal((red > blue)[sure], (difference > 0)[sure])
    assert not tab.locator("#left-canvas").is_visible()
    tab.locator("#left").select_option("c4")
    assert set(pixels(tab, "right").ravel()) == {247, 255}


def test_scatter_shows_the_chosen_contestant_and_turn(opened):
    tab = opened()
    told = tab.locator("#scatter-count")
    heights = lambda: tab.locator("#scatter circle").evaluate_all("points => points.map(point => point.getAttribute('cy'))")  # noqa: E731
    tab.locator("#scatter-name").select_option("c4")
    upright = heights()
    assert "3 of 4 images, upright" in told.inner_text()
    tab.locator("#scatter-turn").select_option("90")
    assert "0 of 3 images, turned by 90 degrees. 1 without a finite PSNR" in told.inner_text()
    assert heights() != upright
    tab.locator("#scatter circle").first.focus()
    assert tab.locator("#tip").inner_text() == "image 0: c4 29.00 dB, plain 30.00 dB, \u22121.00 dB"


def test_page_fits_a_phone(opened):
    tab = opened(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    tab.locator("summary").tap()
    tab.locator(".chart").first.locator(".point").nth(2).tap()
    assert tab.locator("#tip").inner_text() == "plain, panel 0, 2 images: 2 dB"
    tab.locator("#left").select_option(HOSTILE)
    tab.locator("#scatter-name").select_option(HOSTILE)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth && innerWidth === 360")
    wide = "sections => sections.filter(section => section.scrollWidth > section.clientWidth).map(section => section.id)"
    assert tab.locator("section").evaluate_all(wide) == []
    assert tab.locator("#tables .scroll").evaluate("box => box.scrollWidth > box.clientWidth")


def test_page_is_read_without_javascript(opened):
    tab = opened(java_script_enabled=False)
    assert tab.get_by_text("c4 is better").is_visible()
    assert tab.locator("#tables caption").is_visible()
    assert tab.locator("#tables tbody tr").count() == 3
    assert tab.locator(".chart svg").first.is_visible()
    assert tab.get_by_text("The pictures need JavaScript").is_visible()
    assert tab.locator("input:visible, select:visible, button:visible").count() == 0
    tab.locator("summary").click()
    assert tab.get_by_text("ctrecon train").is_visible()
