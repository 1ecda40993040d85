"""Paired comparison by training size, the number of images needed, and tables that keep it all."""

from dataclasses import replace

import numpy as np
import pytest

from ctrecon.errors import InputError
from ctrecon.evidence import scores
from ctrecon.evidence.comparison import Comparison
from ctrecon.evidence.contestant import Contestant, short
from ctrecon.evidence.efficiency import needed

PATIENTS = [f"P{k // 2}" for k in range(24)]
SETTING = {"default_definition": "maxmin", "definitions": ["maxmin", "fr"], "test": {"data": {"file": "a.h5"}, "images": 24}}
DIFFICULTY = np.random.default_rng(0).normal(0, 3, 24)  # of each image, far above what contestants differ by


def contestant(name, size, level, seeds=3, turned=0.0, spread=0.1, setting=SETTING):
    """Its PSNR is level + the image's difficulty + noise; less by `turned` where the object is turned."""
    draw = np.random.default_rng([size or 0, *name.encode()])
    psnr = np.concatenate([level + DIFFICULTY, level + DIFFICULTY - turned]) + draw.normal(0, spread, (seeds, 48))
    rows = [(str(k), patient, turn) for turn in ("0", "90") for k, patient in enumerate(PATIENTS)]
    facts = [
        {"seed": str(seed), "parameters": 100, "lr": 1e-3, "seconds_per_step": 0.5, "seconds_per_image": None}
        for seed in range(seeds)
    ]
    return Contestant(name, size, rows, {"psnr": psnr, "ssim": psnr / 40}, facts, setting, [])


@pytest.fixture(scope="module")
def comparison():
    plain = [contestant("plain", size, 27 + np.log2(size / 5), turned=1.0) for size in (5, 10, 20, 40)]
    c4 = [contestant("c4", size, 27.5 + np.log2(size / 5)) for size in (5, 10, 20, 40)]
    return Comparison([*plain, *c4, contestant("fbp", None, 25.0, seeds=1)])


def test_contestants_meet_the_baseline_of_their_size(comparison):
    for one in comparison.of("c4"):
        assert comparison.baseline(one) is next(b for b in comparison.of("plain") if b.size == one.size)
        gain, turned = (comparison.gain(one, "psnr", turn) for turn in ("0", "90"))
        assert gain.low < 0.5 < gain.high + 0.05 and 1.4 < turned.mean < 1.6
        assert gain.high - gain.low < 0.3  # image by image, so that how difficult images are is not in it
        mean = comparison.mean(one, "psnr", "0")
        assert mean.high - mean.low > 1
    assert comparison.baseline(comparison.of("plain")[0]) is None and comparison.baseline(comparison.of("fbp")[0]) is None


def test_unequal_numbers_of_seeds_meet_the_mean():
    few = Comparison([contestant("plain", 5, 27.0, seeds=3), contestant("c4", 5, 28.0, seeds=2)])
    assert few.differences(few.contestants[1], "psnr", "0").shape == (2, 24)
    assert few.gain(few.contestants[1], "psnr", "0").mean == pytest.approx(1.0, abs=0.1)


def test_one_baseline_serves_all_sizes():
    alone = Comparison([contestant("fbp", None, 25.0, seeds=1), contestant("c4", 5, 27.0), contestant("c4", 20, 28.0)])
    assert [alone.gain(one, "psnr", "0").mean for one in alone.of("c4")] == pytest.approx([2, 3], abs=0.1)


def test_wins_are_counted_by_image(comparison):
    one = comparison.of("c4")[0]
    ours, theirs = one.at("psnr", "0").mean(0), comparison.baseline(one).at("psnr", "0").mean(0)
    assert comparison.wins(one, "psnr", "0") == sum(a > b for a, b in zip(ours, theirs, strict=True))


def test_verdicts_say_what_the_intervals_say(comparison):
    verdicts = comparison.verdicts()
    assert len(verdicts) == 4 and "c4 from 5 images against plain: upright PSNR better, +0." in verdicts[0]
    assert "24 images of 12 patients and 3 seeds" in verdicts[0]
    same = Comparison([contestant("plain", 5, 27.0), contestant("other", 5, 27.0)])
    assert "upright PSNR not surely different" in same.verdicts()[0]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"default_definition": "fr"}, "other definitions"),
        ({"definitions": ["maxmin"]}, "other definitions"),
        ({"test": {"data": {"file": "b.h5"}, "images": 24}}, "another test set"),
        ({"test": {"images": 24}}, "another test set"),
    ],
)
def test_what_was_measured_otherwise_is_refused(other, says):
    with pytest.raises(InputError, match=says):
        Comparison([contestant("plain", 5, 27.0), contestant("c4", 5, 27.0, setting=SETTING | other)])


def test_what_differs_is_said_of_each_in_its_place():
    """The baseline is there, the other one here."""
    test = SETTING.get("test", {})
    changed = SETTING | {"test": test | {"images": 7}}
    with pytest.raises(InputError, match="7 here"):
        Comparison([contestant("plain", 5, 27.0), contestant("c4", 5, 27.0, setting=changed)])


def test_other_test_images_are_refused():
    one = contestant("c4", 5, 27.0)
    with pytest.raises(InputError, match="different test images"):
        Comparison([contestant("plain", 5, 27.0), replace(one, rows=[("99", "P0", "0"), *one.rows[1:]])])


def test_the_same_contestant_twice_is_refused():
    with pytest.raises(InputError, match="twice"):
        Comparison([contestant("plain", 5, 27.0), contestant("plain", 5, 28.0)])


def test_images_needed_are_found_between_the_sizes(comparison):
    """The baseline gains 1 dB a doubling: half a decibel more is worth a factor of the square root of two."""
    for one, expected in zip(comparison.of("c4")[:3], (5, 10, 20), strict=True):
        found = needed(comparison, one, "0")
        assert found.low < expected * 2**0.5 < found.high and found.size == pytest.approx(expected * 2**0.5, rel=0.08)


def test_images_needed_beyond_what_was_tried_are_a_bound(comparison):
    assert needed(comparison, comparison.of("c4")[-1], "0").format() == "> 40 [> 40, > 40]"
    worse = Comparison([*comparison.of("plain"), contestant("c1", 5, 20.0)])
    assert needed(worse, worse.of("c1")[0], "0").format() == "< 5 [< 5, < 5]"


def test_the_baseline_needs_its_own_size(comparison):
    for one in comparison.of("plain")[1:]:
        assert needed(comparison, one, "0").size == pytest.approx(one.size)


def test_as_good_as_the_baseline_at_a_size_needs_that_size():
    """Without noise all is exact, at the smallest and the largest size too."""
    levels = {5: 27.0, 10: 28.0, 40: 30.0}
    curve = [contestant("plain", size, level, seeds=1, spread=0.0) for size, level in levels.items()]
    for size, level in levels.items():
        one = contestant("c4", size, level, seeds=1, spread=0.0)
        found = needed(Comparison([*curve, one]), one, "0")
        assert (found.size, found.low, found.high) == pytest.approx((size, size, size)) and found.tried == (5, 40)
    for first, last, level in ((28.0, 30.0, 29.0), (0.2, 0.8, 0.5), (-1.0, 1.0, 0.0)):  # half way from 10 to 40 in the logarithm
        curve = [contestant("plain", size, value, seeds=1, spread=0.0) for size, value in ((10, first), (40, last))]
        between = contestant("c4", 10, level, seeds=1, spread=0.0)
        assert needed(Comparison([*curve, between]), between, "0").size == pytest.approx(20)


def test_more_images_do_not_harm():
    """A baseline that falls back at a size is taken at its best before."""
    fallen = [contestant("plain", size, level, spread=0.0) for size, level in ((5, 27.0), (10, 29.0), (20, 28.0), (40, 30.0))]
    found = needed(Comparison([*fallen, contestant("c4", 5, 29.5, spread=0.0)]), contestant("c4", 5, 29.5, spread=0.0), "0")
    assert 20 < found.size < 40


def test_tables_keep_a_comparison(comparison, tmp_path):
    scores.write(comparison, tmp_path)
    again = scores.read(tmp_path)
    assert again.names == comparison.names and again.sizes == comparison.sizes and again.turns == comparison.turns
    for old, new in zip(comparison.contestants, again.contestants, strict=True):
        assert (
            new.rows == old.rows and new.setting == old.setting and [f["seed"] for f in new.facts] == [f["seed"] for f in old.facts]
        )
        assert new.facts[0] == old.facts[0]
        np.testing.assert_allclose(new.at("psnr", "90"), old.at("psnr", "90"), atol=6e-4)
    assert again.verdicts() == comparison.verdicts()
    scores.write(again, tmp_path / "again")
    assert all(
        (tmp_path / "again" / n).read_bytes() == (tmp_path / n).read_bytes() for n in (scores.SCORES, scores.RUNS, scores.SETTING)
    )


@pytest.mark.parametrize("name", [scores.SCORES, scores.RUNS, scores.SETTING])
def test_damaged_tables_are_refused(comparison, tmp_path, name):
    scores.write(comparison, tmp_path)
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text[: len(text) // 3])
    with pytest.raises(InputError, match="damaged"):
        scores.read(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="no such file"):
        scores.read(tmp_path)


@pytest.mark.parametrize("name", [scores.SCORES, scores.RUNS])
def test_tables_that_lost_a_run_are_refused(comparison, tmp_path, name):
    """The third seed of a contestant is in one of the two tables only."""
    scores.write(comparison, tmp_path)
    head, *rows = (tmp_path / name).read_text().splitlines(keepends=True)
    lost = [*rows[0].split(",")[:2], "2"]
    (tmp_path / name).write_text("".join([head, *(row for row in rows if row.split(",")[:3] != lost)]))
    with pytest.raises(InputError, match="list different images"):
        scores.read(tmp_path)


def test_names_lose_what_a_sweep_added():
    assert [short(n) for n in ("s-c4-train_size20-lr0.003", "c4-train_sizeall-lr1e-05", "d4", "study-p4-lr3e-4")] == [
        "s-c4",
        "c4",
        "d4",
        "study-p4",
    ]
