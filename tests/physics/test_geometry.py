"""Geometries: where rays run, and what a quarter turn does to them."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import experiment

from ctrecon.errors import InputError
from ctrecon.physics.fan import Fan
from ctrecon.physics.matrix_free import MatrixFree
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform

PARALLEL = Parallel(pixels=32, fov_m=0.2, views=16)
FAN = Fan(pixels=32, fov_m=0.07, views=24, bins=60, bin_m=0.002, start_deg=90.0, source_m=0.41, detector_m=0.55)
ODD = Parallel(pixels=33, fov_m=0.2, views=15)
PART = Parallel(pixels=32, fov_m=0.2, views="3:11", scan_views=20, step_deg=9.0)
ANY = Parallel(pixels=32, fov_m=0.2, angles_deg=[170, 3, 11.5, 90, 42])
UNEVEN = Parallel(pixels=32, fov_m=0.2, angles_deg=[100, 10, 0, 145, 55, 90])  # invariant under a quarter turn, in any order


@pytest.mark.parametrize("scan", [PARALLEL, UNEVEN, FAN], ids=["parallel", "uneven", "fan"])
@pytest.mark.parametrize("quarters", [1, 2, 3, 4, -1])
def test_turn_of_sinogram_is_sinogram_of_turned_image(scan, quarters):
    A, x = RayTransform(scan), torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(scan.turn(A(x), quarters), A(x.rot90(quarters, (2, 3))), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("scan", "order"),
    [
        (PARALLEL, 8),
        (ODD, 4),  # half a turn, and the mirrors that map 0, 12, 24, ... degrees to themselves
        (PART, 2),
        (ANY, 2),  # every parallel scan with a centred detector looks the same from behind
        (UNEVEN, 4),
        (FAN, 8),
        (dataclasses.replace(PARALLEL, offset_m=1e-3), 1),
        (dataclasses.replace(PARALLEL, centre_m=(0.0, 1e-3)), 2),
        (
            Parallel(pixels=32, fov_m=0.2, views=32, step_deg=11.25, offset_m=1e-3),
            8,
        ),  # a whole turn makes up for a shifted detector
        (dataclasses.replace(FAN, offset_m=7e-4), 4),
        (dataclasses.replace(FAN, views="0:19", scan_views=24), 2),
    ],
    ids=str,
)
def test_symmetries_are_those_of_the_rays(scan, order):
    """Checked with ASTRA's own rays, one by one: not by the matrix that is built from them."""
    moves = scan.moves()
    assert len(moves) == order and (moves[0].quarters, moves[0].mirrored) == (0, False)
    A, x = RayTransform(scan, MatrixFree), torch.rand(1, 1, scan.pixels, scan.pixels)
    y = A(x)
    for move in moves:
        assert (A(move.of_image(x)) - move.of_sinogram(y)).abs().max() <= 3e-4 * y.max()


def test_rounding_hides_no_symmetry_and_a_shift_breaks_it():
    """Rays may miss each other by a millionth of the image's side."""
    for shift, order in ((0.4e-6, 8), (3e-6, 1)):
        assert len(dataclasses.replace(PARALLEL, offset_m=shift * PARALLEL.fov_m).moves()) == order


def test_symmetries_are_a_group():
    for scan in (PARALLEL, FAN, ODD):
        permutations = {tuple(move.pixels(scan.pixels)): tuple(move.rays(scan.bins)) for move in scan.moves()}
        for one, rays in permutations.items():
            for other, others in permutations.items():
                product = tuple(np.array(one)[list(other)])
                assert permutations[product] == tuple(np.array(rays)[list(others)])


def test_wrong_turn_fails():
    """The check above can fail: turning the other way is far off."""
    A, x = RayTransform(PARALLEL), torch.rand(1, 1, 32, 32)
    assert (PARALLEL.turn(A(x), -1) - A(x.rot90(1, (2, 3)))).abs().max() > 1e-2 * A(x).max()


@pytest.mark.parametrize(
    "scan",
    [
        ODD,
        PART,
        ANY,
        dataclasses.replace(PARALLEL, offset_m=1e-3),
        dataclasses.replace(FAN, views=25, scan_views=25),
        dataclasses.replace(FAN, views=25, scan_views=25, step_deg=15.0),
    ],
)
def test_turn_is_refused_where_there_is_none(scan):
    with pytest.raises(InputError, match="quarter turn"):
        scan.turn(torch.zeros(1, 1, *scan.shape))


def test_every_geometry_resizes_consistently(geometry):
    """Half the pixels see the same object: a detector derived from the grid follows it, a given one stays."""
    large, small = (experiment(f"geometry={geometry}", f"geometry.pixels={n}").geometry for n in (64, 32))
    assert large.fov_m == small.fov_m and np.array_equal(large.angles_rad, small.angles_rad)
    given = experiment(f"geometry={geometry}").config["geometry"]["bins"]
    assert (small.bins == given) if given else (small.bins == 46 and large.bins == 91)
    assert small.bin_m * small.bins == pytest.approx(large.bin_m * large.bins)


@pytest.mark.parametrize("views", [1, 2, 3])
def test_few_views_are_enough(views):
    few = Parallel(pixels=16, fov_m=0.2, views=views)
    assert RayTransform(few)(torch.ones(1, 1, 16, 16)).shape == (1, 1, views, few.bins)


def test_paper_geometry():
    paper = experiment("geometry=paper", "geometry.pixels=512").geometry
    assert paper.shape == (50, 725) and paper.bin_m == pytest.approx(2**0.5 * 0.36 / 725)
    assert np.allclose(paper.angles_rad, np.linspace(0, np.pi, 50, endpoint=False))


@pytest.mark.parametrize(
    "values",
    [
        {"pixels": 0},
        {"fov_m": -1.0},
        {"bins": 1},
        {"bin_m": 0.0},
        {"offset_m": float("nan")},
        {"centre_m": [1.0]},
        {"angles_deg": [0.0] * 24, "step_deg": 1.0},
        {"angles_deg": [], "views": None},
    ],
    ids=str,
)
def test_impossible_values_are_refused(values):
    with pytest.raises(InputError, match=next(iter(values))):
        dataclasses.replace(FAN, **values)


@pytest.mark.parametrize("values", [{"fov_m": 9.0}, {"centre_m": [0.4, 0.0]}], ids=str)
def test_a_source_inside_the_image_is_refused(values):
    with pytest.raises(InputError, match="outside"):
        dataclasses.replace(FAN, **values)
