"""Filtered back-projection: the right values, the right way up."""

import dataclasses

import h5py
import numpy as np
import pytest
import torch
from conftest import experiment

from ctrecon.errors import InputError
from ctrecon.physics.fbp import WINDOW, FilteredBackProjection
from ctrecon.physics.geometry import Fan, Parallel
from ctrecon.physics.ray import RayTransform

PARALLEL = Parallel(pixels=64, fov_m=0.36, views=120)
FAN = Fan(pixels=64, fov_m=0.07, views=240, source_m=0.41, detector_m=0.55)


def letter(pixels):
    """A disc with a bar and a dot: no symmetry."""
    axis = torch.linspace(-1, 1, pixels)
    x = (axis[:, None] ** 2 + axis[None, :] ** 2 < 0.64).float() * 0.5
    x[pixels // 4 : pixels // 3, pixels // 4 : pixels // 2] = 1.0
    x[-pixels // 3 : -pixels // 4, pixels // 2 : pixels // 2 + 3] = 0.0
    return x[None, None]


@pytest.mark.parametrize("window", sorted(WINDOW))
@pytest.mark.parametrize("scan", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_inverts_the_ray_transform(scan, window):
    x = letter(64)
    reconstruction = FilteredBackProjection(scan, window)(RayTransform(scan)(x))
    middle = reconstruction[0, 0, 30:40, 30:40].mean().item()
    assert middle == pytest.approx(0.5, rel=0.01)
    correlations = [np.corrcoef(reconstruction.flatten(), x.rot90(k, (2, 3)).flatten())[0, 1] for k in range(4)]
    assert correlations[0] > 0.97 and max(correlations[1:]) < 0.95
    assert np.corrcoef(reconstruction.flatten(), x.flip(3).flatten())[0, 1] < 0.95


@pytest.mark.parametrize("scan", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_commutes_with_quarter_turns(scan):
    fbp, y = FilteredBackProjection(scan), torch.rand(2, 1, *scan.shape)
    x = fbp(y)
    torch.testing.assert_close(fbp(scan.turn(y)), x.rot90(1, (2, 3)), rtol=0, atol=2e-6 * x.abs().max().item())


def test_repeated_view_counts_once():
    """A closed scan, whose last view repeats the first, reconstructs the same image."""
    closed = dataclasses.replace(FAN, views=241, scan_views=241, step_deg=1.5)
    y = RayTransform(FAN)(letter(64))
    again = FilteredBackProjection(closed)(torch.cat([y, y[:, :, :1]], dim=2))
    torch.testing.assert_close(again, FilteredBackProjection(FAN)(y), rtol=0, atol=1e-5)


def test_is_linear_and_differentiable():
    fbp = FilteredBackProjection(Parallel(pixels=16, fov_m=0.2, views=8))
    y = torch.rand(1, 1, 8, 23, requires_grad=True)
    direction = torch.rand(1, 1, 16, 16)
    (gradient,) = torch.autograd.grad((fbp(y) * direction).sum(), y)
    other = torch.rand_like(y)
    torch.testing.assert_close((gradient * other).sum(), (fbp(other) * direction).sum(), rtol=1e-4, atol=1e-5)


def test_refusals():
    with pytest.raises(InputError, match="full turn"):
        FilteredBackProjection(dataclasses.replace(FAN, views="0:120", scan_views=240))
    with pytest.raises(InputError, match="window"):
        FilteredBackProjection(PARALLEL, "box")
    with pytest.raises(InputError, match="views"):
        FilteredBackProjection(PARALLEL)(torch.zeros(1, 1, 3, 91))


def against_reference(file, phantom, pixels, views, window):
    """Correlation with the challenge's own reconstruction, and the ratio of scales."""
    geometry = experiment("geometry=fan_htc2022", f"geometry.pixels={pixels}", f"geometry.views={views}").geometry
    y = torch.from_numpy(file["sinogram"][phantom])[None, None, list(geometry.view_numbers)]
    ours = FilteredBackProjection(geometry, window)(y)[0, 0].numpy()  # in 1/m
    theirs = file["reference_fbp"][phantom].reshape(pixels, 512 // pixels, pixels, -1).mean((1, 3)) / 0.1483223e-3
    return np.corrcoef(ours.ravel(), theirs.ravel())[0, 1], (ours * theirs).sum() / (theirs**2).sum()


def test_measured_sinogram_matches_its_reference(shared):
    with h5py.File(shared("htc2022.h5")) as file:
        correlation, scale = against_reference(file, 9, 128, 360, "hann")
    assert correlation > 0.99 and scale == pytest.approx(1, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("window", ["ram-lak", "hann"])
def test_every_measured_sinogram_matches_its_reference(shared, window):
    with h5py.File(shared("htc2022.h5")) as file:
        for phantom in range(len(file["sinogram"])):
            correlation, scale = against_reference(file, phantom, 512, 721, window)
            print(f"phantom {phantom:2}  {window:8} correlation {correlation:.5f}  scale {scale:.5f}")
            assert correlation > 0.99 and scale == pytest.approx(1, abs=0.01)
