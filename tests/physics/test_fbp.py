"""Filtered back-projection: the right values, the right way up."""

import dataclasses
import math

import analytic
import h5py
import numpy as np
import pytest
import torch
from conftest import experiment

from ctrecon.errors import InputError
from ctrecon.physics.fan import Fan
from ctrecon.physics.fbp import WINDOW, FilteredBackProjection
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.redundancy import _short

PARALLEL = Parallel(pixels=64, fov_m=0.36, views=120)
FAN = Fan(pixels=64, fov_m=0.07, views=240, source_m=0.41, detector_m=0.55)


def letter(pixels):
    """A disc with a bar and a dot: no symmetry."""
    axis = torch.linspace(-1, 1, pixels)
    x = (axis[:, None] ** 2 + axis[None, :] ** 2 < 0.64).float() * 0.5
    x[pixels // 4 : pixels // 3, pixels // 4 : pixels // 2] = 1.0
    x[-pixels // 3 : -pixels // 4, pixels // 2 : pixels // 2 + 3] = 0.0
    return x[None, None]


LINES = {"pixels": 64, "fov_m": 0.36, "bins": 128}
PART = {"pixels": 64, "fov_m": 0.2, "centre_m": (0.05, -0.06)}  # a part of what the scans see
BIN_M = 0.51 / 128
WIDE = {"pixels": 64, "fov_m": 0.36, "source_m": 0.45, "detector_m": 0.8, "bins": 160, "bin_m": 0.0069}  # a fan of 69 degrees
RNG = np.random.default_rng(0)
JITTER = np.cumsum(RNG.uniform(0.6, 1.4, 360))  # degrees
HALF, TURN = (JITTER[:180] * 180 / JITTER[179]).tolist(), (JITTER * 360 / JITTER[-1]).tolist()
SHUFFLED = RNG.permutation(TURN).tolist()
EXACT = {  # scans, and the angles of their views in degrees
    "parallel": (Parallel(views=180, **LINES), np.arange(180)),
    "parallel, both ends of half a turn": (Parallel(views=181, step_deg=1.0, **LINES), np.arange(181)),
    "parallel, both ends of a turn": (Parallel(views=361, step_deg=1.0, **LINES), np.arange(361)),
    "parallel, any angles": (Parallel(angles_deg=HALF, **LINES), HALF),
    "parallel, part": (Parallel(views=180, start_deg=20.0, bins=160, bin_m=0.55 / 160, **PART), np.arange(180) + 20),
    "parallel, shifted": (Parallel(views=360, step_deg=1.0, offset_m=0.08, bin_m=BIN_M, **LINES | {"bins": 90}), np.arange(360)),
    "parallel, shifted back": (
        Parallel(views=360, step_deg=1.0, offset_m=-0.08, bin_m=BIN_M, **LINES | {"bins": 90}),
        np.arange(360),
    ),
    "fan": (Fan(views=360, start_deg=33.0, **WIDE), np.arange(360) + 33),
    "fan, both ends of two turns": (Fan(views=721, step_deg=1.0, **WIDE), np.arange(721)),
    "fan, any angles in any order": (Fan(angles_deg=SHUFFLED, **WIDE), SHUFFLED),
    "fan, short": (Fan(views=252, step_deg=1.0, start_deg=200.0, **WIDE), np.arange(252) + 200),
    "fan, longer": (Fan(views=300, step_deg=1.0, **WIDE), np.arange(300)),
    "fan, short and shifted": (Fan(views=280, step_deg=1.0, offset_m=0.05, **WIDE | {"bins": 200}), np.arange(280)),
    "fan, shifted": (Fan(views=360, offset_m=0.34, **WIDE | {"bins": 110}), np.arange(360)),
    "fan, shifted back": (Fan(views=360, offset_m=-0.34, **WIDE | {"bins": 110}), np.arange(360)),
    "fan, part": (Fan(views=360, **WIDE | PART), np.arange(360)),
    "fan, shifted part": (Fan(views=360, offset_m=0.05, **WIDE | PART | {"bins": 200}), np.arange(360)),
}


@pytest.mark.parametrize(("scan", "degrees"), EXACT.values(), ids=EXACT)
def test_exact_line_integrals_give_the_object_everywhere(scan, degrees):
    """Each pixel of smooth objects off the centre, and of what is beside them, to little more than a percent of their height."""
    blobs = [
        analytic.Blob((0.05, -0.08), (0.02, 0.035), 0.5),
        analytic.Blob((-0.07, 0.04), (0.03, 0.018), -0.4),
        analytic.Blob((0.1, 0.1), (0.015, 0.015), 0.0),
    ]
    y, x = analytic.sinogram(blobs, scan, degrees), analytic.image(blobs, scan)
    difference = FilteredBackProjection(scan)(y) - x
    assert difference.abs().max() < 0.015
    assert difference[x < 1e-4].abs().max() < 0.005
    assert difference.mean().abs() < 3e-4 and (difference * x).sum().abs() < 4e-3 * (x * x).sum()


@pytest.mark.parametrize("name", ["parallel", "fan", "fan, short", "fan, shifted"])
def test_edges_of_a_disc_off_the_centre_are_where_they_belong(name):
    """Means over rings inside and outside of it; nothing is smoothed away."""
    scan, degrees = EXACT[name]
    disc = analytic.Ellipse((0.06, -0.04), (0.07, 0.07), 0.0)
    reconstruction = FilteredBackProjection(scan, "hann")(analytic.sinogram([disc], scan, degrees))[0, 0].numpy()
    axis = scan.pixel_m * (np.arange(64) - 31.5)
    radius = np.hypot(axis[:, None] - 0.06, axis[None, :] + 0.04)
    for inner, outer, expected in ((0, 0.02, 1), (0.02, 0.04, 1), (0.04, 0.055, 1), (0.085, 0.1, 0), (0.1, 0.13, 0)):
        ring = reconstruction[(radius >= inner) & (radius < outer)]
        assert ring.mean() == pytest.approx(expected, abs=0.008)
    below, above = ((reconstruction > level).sum() * scan.pixel_m**2 for level in (0.4, 0.6))
    assert above < math.pi * 0.07**2 < below < 1.1 * math.pi * 0.07**2


def test_windows_are_those_of_the_textbooks():
    """At frequency zero, half of Nyquist's, and Nyquist's."""
    frequency = torch.tensor([0.0, 0.5, 1.0])
    expected = {
        "ram-lak": (1, 1, 1),
        "shepp-logan": (1, math.sin(math.pi / 4) / (math.pi / 4), 2 / math.pi),
        "cosine": (1, math.sqrt(0.5), 0),
        "hamming": (1, 0.54, 0.08),
        "hann": (1, 0.5, 0),
    }
    for name, values in expected.items():
        torch.testing.assert_close(WINDOW[name](frequency), torch.tensor(values, dtype=torch.float32), rtol=1e-6, atol=1e-6)
    assert set(expected) == set(WINDOW)


@pytest.mark.parametrize("scaling", [1.0, 0.5, 0.75])
def test_window_ends_where_the_scaling_says(scaling):
    plain, windowed = (FilteredBackProjection(PARALLEL, *options).response for options in ((), ("hann", scaling)))
    frequency = torch.linspace(0, 1, len(plain))
    window = torch.where(frequency <= scaling, 0.5 + 0.5 * torch.cos(math.pi * frequency / scaling), 0)
    torch.testing.assert_close(windowed, plain * window, rtol=1e-4, atol=1e-5 * plain.max().item())


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
    torch.testing.assert_close(fbp(scan.turn(y)), x.rot90(1, (2, 3)), rtol=0, atol=1e-6 * x.abs().max().item())


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


ARC = math.pi + 2 * math.asin(FAN.fov_m / math.sqrt(2) / FAN.source_m)  # half a turn and the fan


@pytest.mark.parametrize("arc", [ARC, ARC + 0.5, 2 * math.pi - 0.3], ids=["minimal", "longer", "nearly full"])
def test_short_scan_of_a_fan(arc):
    """Parker's weights: as good as a full turn, wherever the arc begins."""
    x, views = letter(64), 200
    errors = []
    for start in (0.0, 77.0):
        scan = dataclasses.replace(FAN, views=views, scan_views=views, step_deg=math.degrees(arc) / (views - 1), start_deg=start)
        errors.append((FilteredBackProjection(scan, "hann")(RayTransform(scan)(x)) - x).norm().item())
    full = (FilteredBackProjection(FAN, "hann")(RayTransform(FAN)(x)) - x).norm().item()
    assert max(errors) < 1.06 * full


@pytest.mark.parametrize("arc_deg", [150.0, 200.0, 240.0, 300.0])
def test_pairs_of_rays_share_their_line(arc_deg):
    """(beta, gamma) and (beta + pi - 2 gamma, -gamma) add up to one, a ray without a partner counts fully."""
    arc, gamma = math.radians(arc_deg), np.linspace(-0.3, 0.3, 31)
    beta = np.linspace(0, arc, 400)
    weights = _short(beta, arc, gamma)
    for sign in (1, -1):
        partner = beta[:, None] + sign * math.pi - 2 * gamma
        there = np.stack([_short(p, arc, -gamma)[np.arange(31), np.arange(31)] for p in partner]) * (
            (partner >= 0) & (partner <= arc)
        )
        other = beta[:, None] - sign * math.pi - 2 * gamma
        alone = ~(((partner >= 0) & (partner <= arc)) | ((other >= 0) & (other <= arc)))
        paired = (partner >= 0) & (partner <= arc)
        assert np.allclose((weights + there)[paired], 1) and np.allclose(weights[alone], 1)


@pytest.mark.parametrize("scan", [PARALLEL, FAN], ids=["parallel", "fan"])
@pytest.mark.parametrize("direction", [1, -1])
def test_shifted_detector(scan, direction):
    """A detector that sees little more than half of the object, over a full turn, reconstructs all of it."""
    x = letter(64)
    half = dataclasses.replace(
        scan,
        views=240,
        scan_views=240,
        step_deg=1.5,
        bins=scan.bins * 6 // 10,
        offset_m=direction * scan.bins * 2 // 10 * scan.bin_m,
    )
    fbp = FilteredBackProjection(half, "hann")(RayTransform(half)(x))
    whole = FilteredBackProjection(scan, "hann")(RayTransform(scan)(x))
    assert (fbp - x).norm() < 1.1 * (whole - x).norm()


def test_region_of_interest():
    """A small image away from the centre of rotation is that part of the large one."""
    scan = Parallel(pixels=64, fov_m=0.36, views=120)
    part = dataclasses.replace(scan, pixels=16, fov_m=0.09, centre_m=(-0.045, 0.09))
    y = RayTransform(scan)(letter(64))
    expected = FilteredBackProjection(scan)(y)[..., 16:32, 40:56]  # rows from -0.09 to 0, columns from 0.045 to 0.135
    torch.testing.assert_close(FilteredBackProjection(part)(y), expected, rtol=0, atol=1e-5)


def test_limited_angle_keeps_the_right_values_where_it_sees():
    scan = Parallel(pixels=64, fov_m=0.36, views=120, step_deg=1.0)
    x = letter(64)
    fbp = FilteredBackProjection(scan, "hann")(RayTransform(scan)(x))
    full = FilteredBackProjection(PARALLEL, "hann")(RayTransform(PARALLEL)(x))
    assert (full - x).norm() < (fbp - x).norm() < 0.6 * x.norm()


def test_frequency_scaling_smooths():
    y = torch.rand(1, 1, *PARALLEL.shape)
    rough = [FilteredBackProjection(PARALLEL, "ram-lak", scaling)(y).norm().item() for scaling in (1.0, 0.7, 0.4)]
    assert rough[0] > 1.3 * rough[1] > 1.3**2 * rough[2]


def test_refusals():
    two_arcs = dataclasses.replace(FAN, views=[*range(60), *range(120, 180)], scan_views=240)
    with pytest.raises(InputError, match="separate arcs"):
        FilteredBackProjection(two_arcs)
    with pytest.raises(InputError, match="window"):
        FilteredBackProjection(PARALLEL, "box")
    with pytest.raises(InputError, match="frequency_scaling"):
        FilteredBackProjection(PARALLEL, "hann", 1.5)
    with pytest.raises(InputError, match="views"):
        FilteredBackProjection(PARALLEL)(torch.zeros(1, 1, 3, 91))


def test_measured_parallel_beam_with_a_shifted_detector(shared):
    """A tooth, whose centre of rotation is 23.5 bins from the detector's middle."""
    with h5py.File(shared("tooth.h5")) as file:
        tooth = file["tooth_slice0"]
        y, reference = torch.from_numpy(tooth["sinogram"][:]), tooth["reference_fbp"][:]
        degrees, middle = np.rad2deg(tooth["angles_rad"][:]).tolist(), float(tooth.attrs["cor_detector_index"])
    offset = (640 - 1) / 2 - middle
    for factor, ahead in ((1, 0.9999), (-1, None)):
        # The reference's frame is turned by a quarter.
        scan = Parallel(pixels=640, fov_m=640.0, bins=640, bin_m=1.0, angles_deg=degrees, start_deg=90.0, offset_m=factor * offset)
        ours = FilteredBackProjection(scan)(y[None, None])[0, 0].numpy()
        correlation = np.corrcoef(ours.ravel(), reference.ravel())[0, 1]
        assert correlation > ahead if ahead else correlation < 0.5
        if ahead:
            assert (ours * reference).sum() / (reference**2).sum() == pytest.approx(1, abs=0.01)


def against_reference(file, phantom, pixels, views, window):
    """Correlation with the challenge's own reconstruction, and the ratio of scales."""
    geometry = experiment("geometry=fan_htc2022", f"geometry.pixels={pixels}", f"geometry.views={views}").geometry
    y = torch.from_numpy(file["sinogram"][phantom])[None, None, list(geometry.views)]
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


def test_filters_are_made_without_dividing_by_zero(geometry):
    scan = experiment(f"geometry={geometry}").geometry
    with np.errstate(all="raise"):
        scan.ramp(np.arange(-5.0, 6.0))
