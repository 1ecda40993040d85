"""Weights of rays: every line counts once, however often it was measured."""

import math

import numpy as np
import pytest

from ctrecon.errors import InputError
from ctrecon.physics.fan import Fan
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.redundancy import fan_weights, is_full_turn, parallel_weights

FAN = {"pixels": 16, "fov_m": 0.36, "source_m": 0.45, "detector_m": 0.8, "bins": 41}
STEP = math.radians(2)


def fan_parts(scan):
    """What each ray of a fan takes of its line, (A, D), and the angle of each bin from the central ray."""
    gamma = np.arctan(scan.bins_m / scan.detector_m)
    return fan_weights(scan, gamma), gamma


@pytest.mark.parametrize("offset_m", [0.0, 0.1, -0.1, 0.2])
def test_conjugate_rays_of_a_full_turn_share_their_line(offset_m):
    """(beta, gamma) and (beta + pi - 2 gamma, -gamma), wherever both are measured; a ray alone counts fully."""
    scan = Fan(views=180, offset_m=offset_m, **FAN)
    weights = fan_parts(scan)[0] / STEP
    assert np.allclose(weights, weights[0]) and (weights >= 0).all()
    share = lambda u: np.interp(u, scan.bins_m, weights[0])  # noqa: E731
    overlap = scan.bins * scan.bin_m / 2 - abs(offset_m)
    both = np.abs(scan.bins_m) < overlap - scan.bin_m
    assert both.any() and np.abs(share(scan.bins_m[both]) + share(-scan.bins_m[both]) - 1).max() < 0.01
    alone = np.sign(offset_m) * scan.bins_m > overlap
    assert np.allclose(weights[0][alone], 1) and alone.any() == (offset_m != 0)
    assert np.isclose(share(0), 0.5, atol=1e-3)  # the central ray and its opposite


@pytest.mark.parametrize("arc", [270, 290, 320])
@pytest.mark.parametrize("start_deg", [0.0, 123.0])
def test_conjugate_rays_of_a_short_scan_share_their_line(arc, start_deg):
    scan = Fan(views=arc // 2, step_deg=2.0, start_deg=start_deg, **FAN)
    weights, gamma = fan_parts(scan)
    weights = weights / STEP
    beta = scan.angles_rad - scan.angles_rad[0]  # a view stands for a step, half of it before
    assert (weights >= -1e-12).all() and (weights <= 1 + 1e-12).all()
    counted = 0
    for bin_, (g, opposite) in enumerate(zip(gamma, reversed(range(scan.bins)), strict=True)):
        for sign in (1, -1):
            partner = beta + sign * math.pi - 2 * g
            there = (partner >= 0) & (partner <= beta[-1])
            total = weights[there, bin_] + np.interp(partner[there], beta, weights[:, opposite])
            assert np.abs(total - 1).max(initial=0) < 0.02
            counted += there.sum()
        ends = [beta + sign * math.pi - 2 * g for sign in (1, -1)]
        alone = np.all([(p < -2 * STEP) | (p > beta[-1] + 2 * STEP) for p in ends], axis=0)
        assert np.allclose(weights[alone, bin_], 1)
    assert counted > 100


def test_parallel_rays_are_shared_by_all_views_of_their_line():
    scans = {
        "half a turn": Parallel(pixels=16, fov_m=0.2, views=90),
        "a turn": Parallel(pixels=16, fov_m=0.2, views=180, step_deg=2.0),
        "a turn and both its ends": Parallel(pixels=16, fov_m=0.2, views=181, step_deg=2.0),
        "a turn and a half": Parallel(pixels=16, fov_m=0.2, views=271, step_deg=2.0),
    }
    for scan in scans.values():
        weights = parallel_weights(scan)
        for k in range(90):  # views of the same lines
            same = np.isclose(np.sin(scan.angles_rad - math.radians(2 * k)), 0, atol=1e-9)
            assert np.allclose(weights[same].sum(0), STEP), scan


def test_a_view_stands_for_half_the_gaps_to_its_neighbours():
    weights = parallel_weights(Parallel(pixels=16, fov_m=0.2, angles_deg=[100, 0, 30, 70, 130, 150, 330]))
    # In order: 0, 30, 70, 100, 130, 150 twice, then 180: gaps of 30, 40, 30, 30, 20, 0 and 30.
    degrees = np.rad2deg(weights)
    assert np.allclose(degrees, degrees[:, :1]) and np.allclose(degrees[:5, 0], [30, 30, 35, 35, 25])
    assert sorted(degrees[5:, 0].round(6)) == [10, 15]


def test_missing_views_are_not_stood_for():
    """A gap of more than three times the typical one counts as one."""
    limited = Parallel(pixels=16, fov_m=0.2, views=60, step_deg=2.0)
    assert np.allclose(parallel_weights(limited), STEP) and not is_full_turn(limited)
    for gap, stood_for in ((5.9, True), (6.1, False)):
        degrees = np.concatenate([[0], gap + 2 * np.arange((180 - gap) / 2 - 1e-9)])
        weights = np.rad2deg(parallel_weights(Parallel(pixels=16, fov_m=0.2, angles_deg=degrees.tolist())))
        assert weights[0, 0] == pytest.approx((degrees[1] + 180 - degrees[-1]) / 2 if stood_for else (2 + 180 - degrees[-1]) / 2)


def test_parallel_detector_that_is_shifted_over_a_full_turn():
    for offset_m in (0.05, -0.05):
        scan = Parallel(pixels=16, fov_m=0.2, views=180, step_deg=2.0, bins=41, bin_m=0.004, offset_m=offset_m)
        share = parallel_weights(scan)[0] / STEP
        overlap = 41 * 0.004 / 2 - 0.05
        both = np.abs(scan.bins_m) < overlap - 0.004
        at = lambda u: np.interp(u, scan.bins_m, share)  # noqa: E731, B023
        assert both.sum() > 5 and np.abs(at(scan.bins_m[both]) + at(-scan.bins_m[both]) - 1).max() < 0.01
        assert np.allclose(share[np.sign(offset_m) * scan.bins_m > overlap], 1)


def test_parallel_detector_that_is_shifted_over_half_a_turn():
    """Lines that only one side of the detector reaches are measured once, others too: each view stands for its step."""
    scan = Parallel(pixels=16, fov_m=0.2, views=90, bins=41, bin_m=0.004, offset_m=0.05)
    assert np.allclose(parallel_weights(scan), STEP)
    three_quarters = Parallel(pixels=16, fov_m=0.2, views=135, step_deg=2.0, bins=41, bin_m=0.004, offset_m=0.05)
    weights, twice = parallel_weights(three_quarters), np.abs(three_quarters.bins_m) <= 0.032
    # Rows of the first quarter turn are measured again, backwards, by the last one.
    assert np.allclose(weights[5:40][:, twice], STEP / 2) and np.allclose(weights[50:85], STEP)
    assert np.allclose(weights[:, ~twice], STEP)


def test_a_fan_on_separate_arcs_is_refused():
    with pytest.raises(InputError, match="2 separate arcs"):
        fan_parts(Fan(views=[*range(30), *range(60, 90)], scan_views=120, **FAN))
    assert is_full_turn(Fan(views=120, **FAN)) and not is_full_turn(Fan(views="0:100", scan_views=120, **FAN))
