"""Charts and pictures whose contestants have hostile names: drawn letter by letter, without a word from matplotlib."""

import io
import warnings
from dataclasses import replace
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

from ctrecon.evidence.comparison import Comparison
from ctrecon.evidence.contestant import Contestant
from ctrecon.report.chart import Chart, drawing, literal, save
from ctrecon.report.figures import CHARTS
from ctrecon.report.page import Page, write_page
from ctrecon.report.picture import pictures
from ctrecon.runs.results import EXAMPLES, Results
from ctrecon.runs.run import HISTORY

NAMES = [r"$\frac{", r"_hidden $x$ 5\$", "CT 断层"]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Two training sizes and two turns of each, with a history and pictures."""
    rng, entries = np.random.default_rng(0), []
    rows = [(str(k), NAMES[0], turn) for turn in ("0", "90") for k in range(4)]
    facts = {"seed": "0", "parameters": 100, "seconds_per_step": 0.5, "seconds_per_image": 0.1, "bytes_per_pair": 1e6}
    for number, name in enumerate(NAMES):
        for size in (5, 10):
            folder = Results(tmp_path_factory.mktemp("results"))
            folder.write_rows(HISTORY, [{"step": step, "loss": 1.0, "psnr": 30.0, "ssim": 0.9} for step in (1, 2)])
            with h5py.File(folder / EXAMPLES, "w") as file:
                file["image"], file["turn"], file["truth"] = [0, 0], [0.0, 90.0], rng.random((2, 16, 16))
                file["reconstruction"] = rng.random((2, 16, 16))
            values = {"psnr": 30 + number + rng.random((1, 8)), "ssim": rng.random((1, 8))}
            setting = {"default_definition": "maxmin", "definitions": ["maxmin"], "test": {"images": 4}}
            entries.append(Contestant(name, size, rows, values, [facts], setting, [folder]))
    return Comparison(entries)


def texts(figure):
    """What stands in a drawing. Any warning is an error."""
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with drawing(svg_fonttype="none"):
            figure.savefig(written, format="svg")
    return [element.text for element in ElementTree.fromstring(written.getvalue()).iter() if element.text]


@pytest.mark.parametrize("name", CHARTS)
def test_names_in_charts_are_drawn_letter_by_letter(name, comparison):
    chart = CHARTS[name](comparison)
    seen = texts(chart.figure)
    named = [label for label in chart.series.values() if label in NAMES] or NAMES
    assert all(any(label in text for text in seen) for label in named)


def test_names_above_pictures_are_drawn_letter_by_letter(comparison):
    assert set(NAMES) <= set(texts(pictures(Comparison(comparison.contestants[::2]))))


@pytest.mark.parametrize("name", CHARTS)
def test_every_mark_lies_within_its_panel(name, comparison):
    chart = CHARTS[name](comparison)
    chart.figure.draw_without_rendering()
    marks = [(axes, line) for axes in chart.figure.axes for line in axes.lines if line.get_gid() in chart.notes]
    assert marks or name == "training"  # which has lines alone
    for axes, line in marks:
        box = axes.get_window_extent()
        for x, y in line.get_transform().transform(line.get_xydata()):
            assert box.x0 + 1 < x < box.x1 - 1 and box.y0 + 1 < y < box.y1 - 1, (line.get_gid(), x, y, box)


def test_costs_start_at_zero_and_say_how_seconds_were_taken(comparison):
    figure = CHARTS["cost"](comparison).figure
    assert all(axes.get_xlim()[0] == 0 for axes in figure.axes) and any("seconds as they passed" in text for text in texts(figure))


def test_angles_between_quarter_turns_are_explained(comparison):
    few = [
        replace(one, rows=[(*row[:2], "45" if row[2] == "90" else row[2]) for row in one.rows]) for one in comparison.contestants
    ]
    for contestants, said in ((few[::2], True), (comparison.contestants[::2], False)):
        assert any("interpolated" in text for text in texts(CHARTS["turns"](Comparison(contestants)).figure)) == said


def test_pictures_stand_in_the_order_of_the_contestants_with_their_zoom_marked(comparison):
    shown = Comparison(comparison.contestants[::2])
    figure = pictures(shown)
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes[:4]]
    assert titles == ["ground truth", *map(literal, NAMES)]
    for whole, zoomed in zip(figure.axes[:4], figure.axes[4:8], strict=True):
        (frame,) = whole.patches
        image, part = whole.images[0].get_array(), zoomed.images[0].get_array()
        row, column = int(frame.get_y() + 0.5), int(frame.get_x() + 0.5)
        size = int(frame.get_height())
        assert np.array_equal(image[row : row + size, column : column + size], part)


def test_letters_that_a_font_lacks_pass_without_a_warning(tmp_path):
    figure = Figure()
    figure.suptitle(NAMES[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, tmp_path / "chart")
        write_page(Page(NAMES[-1], [], [Chart(NAMES[-1], figure)]), tmp_path / "page.html")
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".png", ".html"}


def test_control_characters_are_shown_as_such():
    figure = Figure()
    figure.suptitle(literal("a\x0bb\u2028c"))
    assert "a\ufffdb\ufffdc" in texts(figure)
