"""Pairs of truth and sinogram: reproducible, on a finer grid, and turned."""

import os

import numpy as np
import pytest
import torch
from conftest import experiment, write_slices

from ctrecon.data.augment import Pose
from ctrecon.data.scanner import FINER, posed, resample, rotate
from ctrecon.disk.store import Store
from ctrecon.errors import InputError


def blob(size=64):
    axis = torch.linspace(-1, 1, size)
    return torch.exp(-20 * ((axis[:, None] + 0.2) ** 2 + 3 * (axis[None, :] - 0.3) ** 2))[None, None]


def test_pairs_depend_on_seed_and_row_alone(noise):
    words = (f"noise={noise}", "data.size=48")
    forward, again = experiment(*words).pairs("train"), experiment(*words).pairs("train")
    first = [forward.pair(k) for k in range(3)]
    later = [again.pair(k) for k in reversed(range(3))]
    for (x, y), (x2, y2) in zip(first, reversed(later), strict=True):
        assert torch.equal(x, x2) and torch.equal(y, y2)
    other = experiment(*words, "data.seed=1").pairs("train").pair(0)
    assert not torch.equal(first[0][1], other[1])


def test_sinograms_are_simulated_on_a_finer_grid():
    """Inverse crime is absent: the sinogram is not A x of the truth on the reconstruction's grid, but close to it."""
    e = experiment("noise=none")
    x, y = e.pairs("train").pair(0)
    assert e.scanner.ray.geometry.pixels == FINER * e.geometry.pixels
    difference = (e.ray(x) - y).norm() / y.norm()
    assert 1e-3 < difference < 0.1


def test_quarter_turn_turns_the_same_noisy_sinogram():
    e = experiment("noise=poisson_10k")
    pairs = e.pairs("test")
    x, y = pairs.pair(0)
    turned_x, turned_y = pairs.pair(0, Pose(90))
    assert torch.equal(turned_x, x.rot90(1, (2, 3))) and torch.equal(turned_y, e.geometry.turn(y))


def test_other_angles_are_simulated_anew():
    """The noise-free sinogram of an object turned by one step of the views is the sinogram shifted by one view."""
    e = experiment("noise=none", "geometry.views=16", "data.size=128")
    scanner = e.scanner
    image = blob(128)
    _, y = scanner.scan(image, 0)
    _, turned = scanner.scan(rotate(image, 180 / 16), 0)
    assert (turned[:, :, 1:] - y[:, :, :-1]).abs().max() < 0.01 * y.max()


def test_odd_views_turn_by_simulation():
    e = experiment("noise=none", "geometry.views=15")
    x, _ = e.pairs("test").pair(0)
    torch.testing.assert_close(e.pairs("test").pair(0, Pose(90))[0], x.rot90(1, (2, 3)))


@pytest.mark.parametrize("size", [16, 31, 64, 100])
def test_resampling_commutes_with_quarter_turns_and_keeps_the_mean(size):
    x = blob(64)
    torch.testing.assert_close(resample(x.rot90(1, (2, 3)), size), resample(x, size).rot90(1, (2, 3)), rtol=1e-4, atol=1e-6)
    assert resample(x, size).mean().item() == pytest.approx(x.mean().item(), rel=2e-2)


def test_rotation_turns_counter_clockwise():
    x = blob(65)
    thrice = rotate(rotate(rotate(x, 30), 30), 30)
    assert (thrice - x.rot90(1, (2, 3))).abs().max() < 0.05
    assert torch.equal(rotate(x, 270), x.rot90(3, (2, 3))) and torch.equal(rotate(x, -90), x.rot90(-1, (2, 3)))


@pytest.mark.parametrize("pose", [Pose(0, True), Pose(90, True), Pose(180), Pose(270, True)], ids=str)
def test_a_pose_of_the_square_is_that_of_its_simulation(pose):
    """The sinogram moved with the object is the one that would have been simulated."""
    e = experiment("noise=none")
    pairs = e.pairs("train")
    x, y = pairs.pair(0, pose)
    image = posed(pairs.collection.image(pairs.rows[0]), pose)
    torch.testing.assert_close(x, e.scanner.truth(image))
    torch.testing.assert_close(y, e.scanner.project(image), rtol=1e-4, atol=1e-6)


def test_poses_are_those_of_the_member(augment):
    """Every pose that may come does; turned by any angle, none twice."""
    e = experiment(f"augment={augment}")
    drawn = [e.examples().augment.pose(np.random.default_rng(k)) for k in range(200)]
    number = {"none": 1, "turn90": 4, "mirror": 8, "turn_any": 200}[augment]
    assert len(set(drawn)) == number


def test_other_angles_do_not_simulate_the_upright_scan():
    e = experiment("data.seed=7")
    pairs = e.pairs("train")
    pairs.pair(0, Pose(10))
    assert pairs.store.get(0) is None
    pairs.pair(0, Pose(90))
    assert pairs.store.get(0) is not None


def test_examples_depend_on_seed_and_position_alone(augment):
    words = (f"augment={augment}", "data.noise=fresh", "data.size=32")
    one, other = experiment(*words).examples(), experiment(*words).examples()
    backwards = [other[position] for position in reversed(range(7))][::-1]
    for position in range(7):
        assert all(torch.equal(a, b) for a, b in zip(one[position], backwards[position], strict=True))


def test_every_epoch_sees_every_pair_once():
    e = experiment("data.train_size=5")
    examples, truths = e.examples(), [e.pairs("train").pair(k)[0] for k in range(5)]
    seen = [next(k for k in range(5) if torch.equal(examples[position][0], truths[k])) for position in range(15)]
    assert all(sorted(seen[first : first + 5]) == [0, 1, 2, 3, 4] for first in (0, 5, 10))
    assert seen[:5] != seen[5:10] or seen[:5] != seen[10:]


def test_noise_is_fixed_or_fresh():
    """Fresh: another draw in each epoch, of the same noise-free sinogram."""
    fixed, fresh = (experiment("data.train_size=1", f"data.noise={noise}").examples() for noise in ("fixed", "fresh"))
    assert torch.equal(fixed[0][1], fixed[1][1]) and torch.equal(fixed[0][1], fixed.pairs.pair(0)[1])
    one, other = fresh[0][1], fresh[1][1]
    assert not torch.equal(one, other) and (one - other).abs().mean() < 0.05 * one.abs().mean()
    with pytest.raises(InputError, match="fixed or fresh"):
        experiment("data.noise=loud").examples()


def test_sinograms_are_simulated_once(monkeypatch):
    """The second experiment finds them; another geometry, seed or projector does not."""
    words = ("data.seed=5", "data.size=40")
    first = experiment(*words).pairs("train").pair(2)[1]
    again = experiment(*words)
    monkeypatch.setattr(type(again.scanner), "project", lambda *_: pytest.fail("simulated again"))
    assert torch.equal(again.pairs("train").pair(2)[1], first)
    for other in (["data.seed=6"], ["geometry.fov_m=0.3"], ["projector=astra"], ["data.size=41"]):
        with pytest.raises(pytest.fail.Exception):
            experiment(*words, *other).pairs("train").pair(2)


def test_other_files_of_the_same_name_are_simulated_again(tmp_path):
    people, splits = ["a", "b", "c", "d"], ["train", "train", "val", "test"]
    path = write_slices(tmp_path / "s.h5", people, splits)
    words = ("data=slices", f"data.file={path}", "data.train_size=2", "data.val_size=1", "data.test_size=1", "noise=none")
    before = experiment(*words).pairs("train").pair(0)[1]
    path.unlink()  # one that is open stays open
    write_slices(path, people, splits, size=48)
    assert not torch.equal(experiment(*words).pairs("train").pair(0)[1], before)


def test_stored_rows_come_back_exactly_or_not_at_all(tmp_path):
    store, row = Store(tmp_path / "a.rows", (3, 5)), np.random.default_rng(0).random((3, 5), dtype=np.float32)
    assert store.get(7) is None
    store.put(7, row)
    assert np.array_equal(store.get(7), row) and store.get(6) is None and store.get(8) is None
    store.put(3, np.zeros((3, 5)))
    assert np.array_equal(Store(tmp_path / "a.rows", (3, 5)).get(3), np.zeros((3, 5)))
    with (tmp_path / "a.rows").open("r+b") as file:  # torn by a crash
        file.seek(7 * 64 + 20)
        file.write(b"xxxx")
    assert store.get(7) is None
    os.truncate(tmp_path / "a.rows", 3 * 64 + 10)
    assert store.get(3) is None


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "a.rows", (2,))
    store.put(0, np.ones(2))
    assert store.get(0) is None


def test_too_many_sinograms_are_not_kept(monkeypatch):
    monkeypatch.setenv("CTRECON_CACHE_GIB", "1e-9")
    assert experiment().pairs("train").store is None
    monkeypatch.setenv("CTRECON_CACHE_GIB", "many")
    with pytest.raises(InputError, match="number of GiB"):
        experiment().pairs("train")
