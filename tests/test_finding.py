"""The README's finding says what the committed tables say: every number is computed again from them."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ctrecon.evidence import scores
from ctrecon.evidence.efficiency import needed

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "notebooks/results/study"
FINDING = (ROOT / "README.md").read_text().split("## The finding")[1].split("`ctrecon reproduce` asks")[0]
EQUIVARIANT = ("c4", "p4", "c4_wide", "plain_averaged")
SIZE = 20


@pytest.fixture(scope="module")
def sizes():
    return scores.read(STUDY / "sizes")


def at(comparison, name, size=SIZE):
    return next(one for one in comparison.of(name) if one.size in (size, None))


def test_every_control_is_in_the_table(sizes):
    """A row a contestant: parameters, PSNR and the paired gain, upright and turned."""
    for name in sizes.names:
        one = at(sizes, name)
        cells = [f"`{name}`", f"{one.facts[0]['parameters']:,}"]
        for turn in sizes.turns:
            cells.append(sizes.mean(one, "psnr", turn).format("psnr"))
            cells.append(sizes.gain(one, "psnr", turn).format("psnr", "+") if sizes.baseline(one) else "")
        assert "| " + " | ".join(cells) + " |" in FINDING, cells


def test_every_number_is_computed_again(sizes):
    known = {"90", "95", str(SIZE), *map(str, sizes.sizes)}
    first = sizes.contestants[0]
    known |= {str(len(first.images("0"))), str(len(set(first.patients("0")))), str(first.seeds), f"{first.facts[0]['steps']:,}"}
    test = first.setting["test"]
    known |= {str(test["geometry"]["pixels"]), str(test["geometry"]["views"]), f"{test['noise']['photons']:,.0f}"}
    for one, turn in product(sizes.contestants, sizes.turns):
        estimates = [(sizes.mean(one, "psnr", turn), "psnr", ""), (sizes.mean(one, "ssim", turn), "ssim", "")]
        if sizes.baseline(one):
            estimates += [(sizes.gain(one, "psnr", turn), "psnr", "+"), (sizes.gain(one, "ssim", turn), "ssim", "+")]
            if one.size:
                known |= set(re.findall(r"\d+", needed(sizes, one, turn).format()))
        known |= {number for e, metric, sign in estimates for number in re.findall(r"[+-]?[\d.]+", e.format(metric, sign))}
        known.add(f"{one.facts[0]['parameters']:,}")
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", FINDING)  # names and links
    told = re.findall(r"(?<![\w.])[+-]?\d+(?:,\d{3})*(?:\.\d+)?", text)
    assert len(told) > 60 and not [number for number in told if number not in known]


def test_what_is_equivariant_does_not_change_when_turned(sizes):
    for name in EQUIVARIANT:
        for one in sizes.of(name):
            assert np.abs(one.at("psnr", "0") - one.at("psnr", "90")).max() < 0.01, name
            assert abs(sizes.mean(one, "psnr", "0").mean - sizes.mean(one, "psnr", "90").mean) < 0.01


def test_all_controls_were_measured_at_all_sizes_with_three_seeds(sizes):
    assert sizes.names == ["plain", "plain_turned", "plain_averaged", "c1", "c4", "p4", "c4_wide", "fbp", "tv"]
    for name in sizes.names[:7]:
        assert [one.size for one in sizes.of(name)] == [5, 10, 20, 50, 100, 401] and all(one.seeds == 3 for one in sizes.of(name))


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in STUDY.glob("*/scores.csv")))
def test_tables_that_people_read_are_those_that_programs_read(folder):
    comparison, told = scores.read(STUDY / folder), (STUDY / folder / "comparison.md").read_text()
    for row in comparison.table():
        assert all(cell in told for cell in row.values())
