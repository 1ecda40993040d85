"""Where images go when they are turned and resampled, and what the noise of a pair depends on."""

import itertools

import numpy as np
import pytest
import torch
from conftest import experiment

from ctrecon.data.augment import Pose
from ctrecon.data.scanner import posed, resample, rotate


def blob(size, row, column, width=0.06):
    """A round Gaussian at (row, column) of the square [-1, 1]^2, rows downwards."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    return torch.exp(-((axis[:, None] - row) ** 2 + (axis[None, :] - column) ** 2) / (2 * width**2))[None, None]


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize("degrees", [10, 37.5, 90, 123, 200, 270, 301, -25])
def test_rotation_carries_a_blob_counter_clockwise(size, degrees):
    """(x, y), y upwards, goes to (x cos - y sin, x sin + y cos): the turned image is the blob at that place."""
    row, column = -0.1, 0.5
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = column * c + row * s, column * s - row * c
    assert (rotate(blob(size, row, column), degrees) - blob(size, -y, x)).abs().max() < 0.06


def test_a_pose_mirrors_on_the_diagonal_and_then_turns():
    x = blob(64, -0.2, 0.5)
    assert (posed(x, Pose(0, True)) - blob(64, 0.5, -0.2)).abs().max() < 1e-6
    assert (posed(x, Pose(90, True)) - blob(64, 0.2, 0.5)).abs().max() < 1e-6  # row 0.5, column -0.2, turned left
    assert (posed(x, Pose(30, True)) - rotate(blob(64, 0.5, -0.2), 30)).abs().max() < 1e-6


@pytest.mark.parametrize("size", [32, 48, 50, 96, 160])
def test_resampling_keeps_things_where_they_are(size):
    x = blob(96, -0.3, 0.4, width=0.2)
    assert (resample(x, size) - blob(size, -0.3, 0.4, width=0.2)).abs().max() < 0.03


def test_resampling_to_a_divisor_takes_means_and_to_others_does_not_alias():
    x = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(resample(x, 32)[0, 0], x[0, 0].reshape(32, 2, 32, 2).mean((1, 3)))
    stripes = (torch.arange(100) % 2).float().expand(1, 1, 100, 100)
    inner = resample(stripes, 38)[..., 2:-2]
    assert (inner - 0.5).abs().max() < 0.1


def test_noise_depends_on_seed_row_and_draw_each():
    y = torch.full((1, 1, 4, 6), 0.05)
    drawn, scanners = {}, {seed: experiment("noise=gaussian", f"data.seed={seed}").scanner for seed in (0, 1, 7)}
    for seed, row, draw in itertools.product((0, 1, 7), (0, 1, 7), (0, 1, 7)):
        scanner = scanners[seed]
        drawn[seed, row, draw] = scanner.measure(y, row, draw)
        assert torch.equal(drawn[seed, row, draw], scanner.measure(y, row, draw))
        if draw == 0:
            assert torch.equal(drawn[seed, row, draw], scanner.measure(y, row))
    for one, other in itertools.combinations(drawn, 2):
        assert not torch.equal(drawn[one], drawn[other]), (one, other)


def test_scans_are_truth_and_measurement_of_the_row():
    scanner, x = experiment("noise=gaussian", "data.seed=3").scanner, blob(64, 0, 0.2, width=0.3)
    truth, y = scanner.scan(x, row=5)
    assert torch.equal(truth, resample(x, scanner.geometry.pixels))
    assert torch.equal(y, scanner.measure(scanner.project(x), 5)) and not torch.equal(y, scanner.measure(scanner.project(x), 4))


@pytest.mark.parametrize("drawn", ["fixed", "fresh"])
def test_examples_are_the_pairs_of_the_permutation_in_their_poses(drawn):
    """To the bit: the order from (seed, epoch), the pose from (seed, 1, position), the noise from the row and, if fresh, the epoch."""
    e = experiment("data.train_size=3", f"data.noise={drawn}", "augment=mirror", "seed=11", "noise=gaussian")
    examples, pairs = e.examples(), e.pairs("train")
    for position in range(9):
        epoch, place = divmod(position, 3)
        index = int(np.random.default_rng([11, epoch]).permutation(3)[place])
        pose = examples.augment.pose(np.random.default_rng([11, 1, position]))
        x, y = examples[position]
        row, move = pairs.rows[index], e.scanner.move(pose)
        image = e.collection.image(row)
        measured = e.scanner.measure(e.scanner.project(image), row, epoch + 1 if drawn == "fresh" else 0)
        assert torch.equal(x, move.of_image(e.scanner.truth(image))) and torch.equal(y, move.of_sinogram(measured))


def test_fixed_noise_is_drawn_once_while_it_fits_into_memory(monkeypatch):
    e = experiment("data.train_size=3", "noise=gaussian")
    calls, measure = [], e.scanner.measure
    monkeypatch.setattr(e.scanner, "measure", lambda *given: calls.append(given) or measure(*given))
    pairs = e.pairs("train")
    first, again = pairs.pair(1), pairs.pair(1)
    assert len(calls) == 1 and torch.equal(first[1], again[1])
    other = [pairs.pair(1, noise=2)[1] for _ in range(2)]
    assert len(calls) == 3 and torch.equal(*other) and not torch.equal(other[0], first[1])
    monkeypatch.setattr("ctrecon.data.pairs.KEPT", 0)
    small = e.pairs("train")
    assert torch.equal(small.pair(1)[1], first[1]) and torch.equal(small.pair(1)[1], first[1]) and len(calls) == 5
