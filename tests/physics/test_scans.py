"""Scans that one model learns from: what conf/scans says, models on another scan, and doses."""

import math

import numpy as np
import pytest
import torch
from conftest import LEARNED, experiment, inside
from safetensors.torch import load_file

from ctrecon.errors import InputError
from ctrecon.models.classical import FBP
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.noise import Doses, Poisson
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.scans import Several
from ctrecon.runs.run import WEIGHTS, Run

SMALL = ["geometry.pixels=16", "geometry.views=8", "conv.channels=8"]
OTHER = Parallel(pixels=24, fov_m=0.2, views=20)
COARSE = ["scans=coarse_to_fine", "scans.pixels=[8,12]", "scans.steps=[0.5,0.25]"]


def test_members_are_different_scans(scans):
    e = experiment(f"scans={scans}", "geometry.pixels=72", "geometry.views=8")
    made = [one.geometry for one in e.scans]
    assert len(made) == e.law.count == len({(type(one), one.seen, one.offset_m, one.fov_m, one.pixels) for one in made})
    assert len(made) == 1 if scans == "one" else len(made) > 2
    assert e.law.judged[-1] < len(made) and {one.pixels for one in made} <= {72, 32, 64, 256}  # of which some are said


def test_pairs_of_a_step_are_of_its_scan_and_every_scan_comes_by():
    e = experiment("scans=sparse", "data.noise=fresh", "fit.batch=2", *SMALL)
    examples = e.examples()
    for step in range(6):
        for position in (2 * step, 2 * step + 1):
            x, y = examples[position]
            assert y.shape[-2:] == e.scans[examples.scan(step)].geometry.shape and x.shape[-1] == 16
    drawn = [examples.scan(step) for step in range(300)]
    assert set(drawn) == set(range(5)) and max(drawn.count(scan) for scan in range(5)) < 90
    again = experiment("scans=sparse", "data.noise=fresh", "fit.batch=2", *SMALL).examples()
    assert torch.equal(again[7][1], examples[7][1])


def test_coarse_to_fine_sees_the_same_rays_on_finer_and_finer_grids_and_is_judged_on_the_finest():
    e = experiment(*COARSE, *SMALL, "fit.steps=8")
    assert [one.geometry.pixels for one in e.scans] == [8, 12, 16] and [*e.law.judged] == [2]
    for one in e.scans:
        np.testing.assert_array_equal(one.geometry.frames(), e.geometry.frames())
        assert one.geometry.shape == e.geometry.shape
    assert [e.examples().scan(step) for step in range(8)] == [0, 0, 0, 0, 1, 1, 2, 2]
    assert [e.examples()[step][0].shape[-1] for step in (0, 5, 7)] == [8, 12, 16]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("scans.pixels=[8,16]", "less than the 16"),
        ("scans.steps=[0.5,0.5]", "less than 1"),
        ("scans.steps=[0.5]", "a part of the steps for each"),
    ],
)
def test_other_grids_are_refused(word, says):
    with pytest.raises(InputError, match=says):
        experiment(*COARSE, *SMALL, word).scans  # noqa: B018


@pytest.mark.parametrize(
    "words",
    [COARSE, ["scans=sparse", "noise=doses", "data.noise=fresh", "objective.error=logarithm"]],
    ids=["coarse_to_fine", "sparse"],
)
def test_a_training_on_several_scans_goes_on_where_it_was_stopped(words, tmp_path, monkeypatch):
    """To the last bit; and nothing beside the weights tells that there were several."""
    words = [
        *words,
        *SMALL,
        "experiment=smoke",
        "conv.channels=4",
        "fit.steps=6",
        "fit.validate_every=2",
        "device=cpu",
        "data.val_size=1",
    ]

    def stop(run, state, save=Run.save_state):
        save(run, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, SystemExit)):
        patch.setattr(Run, "save_state", stop)
        inside("train", *words, "run_dir=stopped", cwd=tmp_path)
    for name in ("stopped", "whole"):
        inside("train", *words, f"run_dir={name}", cwd=tmp_path)
    one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("stopped", "whole"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("learned", LEARNED)
def test_a_model_on_another_scan_is_the_same_model(learned):
    """As one that was made for that scan and given the same weights; what one learns, the other knows."""
    e = experiment(f"model={learned}", *SMALL)
    m = e.model().eval()
    for p in m.parameters():
        p.data += 0.05 * torch.randn_like(p)
    other, y = m.on(OTHER), 0.1 * torch.rand(1, 1, *OTHER.shape)
    expected = type(e)(e.config, OTHER).model().eval()
    expected.load_state_dict(m.state_dict(), strict=False)
    assert other.geometry is OTHER and not other.training
    torch.testing.assert_close(other(y), expected(y), rtol=0, atol=0)
    assert all(p is q for p, q in zip(m.parameters(), other.parameters(), strict=True))
    before = other(y)
    next(m.parameters()).data.mul_(3)
    assert not torch.equal(other(y), before)


def test_a_model_that_nobody_described_stays_on_its_scan():
    with pytest.raises(InputError, match="was made by hand"):
        FBP(OTHER).on(OTHER)


def test_being_put_on_another_scan_draws_nothing():
    m = experiment(*SMALL).model()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    m.on(OTHER)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("options", "says"), [({}, "at least one"), ({"parallel": [{"viewz": 3}]}, "viewz"), ({"parallel": [{"views": 0}]}, "views")]
)
def test_other_scans_are_refused(options, says):
    with pytest.raises(InputError, match=says):
        Several(**options).geometries(OTHER)


def test_a_dose_and_a_size_are_drawn_for_each_sinogram():
    """Of one photon number and size it is Poisson noise of the larger object; of a range, every sinogram has a dose of its own."""
    y = torch.full((1, 1, 40, 50), 1 / MU_MAX)
    one = Doses([1e4, 1e4], [1.5, 1.5])(y, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    torch.rand(2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(1.5 * one, Poisson(1e4)(1.5 * y, generator))
    doses = Doses([1e3, 1e5])
    spreads = torch.tensor([(doses(y, torch.Generator().manual_seed(seed)) * MU_MAX).std().item() for seed in range(200)])
    photons = math.e / spreads.square()  # the variance is exp(1) / photons
    assert 1.0e3 / 1.2 < photons.min() < 2e3 and 5e4 < photons.max() < 1.2e5
    assert (photons < 1e4).float().mean().item() == pytest.approx(0.5, abs=0.12)
    assert torch.equal(doses(y, torch.Generator().manual_seed(1)), doses(y, torch.Generator().manual_seed(1)))
    for wrong in ([1e3], [1e4, 1e3], [0.0, 1.0]):
        with pytest.raises(InputError, match=r"noise\.photons"):
            Doses(wrong)
