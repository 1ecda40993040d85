"""The centre of rotation is found from sinograms whose centre is known, and not from those that do not decide."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from conftest import SHARED, inside
from test_reconstruct import phantom

from ctrecon.errors import InputError
from ctrecon.measurement.centre import bin_of, find_centre, offset_of
from ctrecon.models.classical import FBP
from ctrecon.physics.fan import Fan
from ctrecon.physics.noise import Poisson
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform

SCANS = {
    "parallel": Parallel(pixels=48, fov_m=0.3, views=60, bins=136),
    "unsorted": Parallel(pixels=48, fov_m=0.3, views=60, bins=136, angles_deg=[(7 * k % 60) * 3 for k in range(60)]),
    "fan": Fan(pixels=48, fov_m=0.3, views=60, bins=137, source_m=0.57, detector_m=1.04),
}


def sinogram(scan, photons=1e4):
    ray = RayTransform(replace(scan, pixels=96))
    return Poisson(photons)(ray(torch.from_numpy(phantom(96))[None, None]), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shift", [0.083, -0.25])  # of the detector's width; a quarter truncates the object
@pytest.mark.parametrize("scan", SCANS)
def test_the_shift_that_was_simulated_is_found(scan, shift):
    made = replace(SCANS[scan], offset_m=shift * SCANS[scan].bins * SCANS[scan].bin_m)
    found = find_centre(SCANS[scan], sinogram(made))
    off = abs(found.offset_m - made.offset_m)
    assert off < 0.1 * made.bin_m and off < 4 * found.error_m + 0.02 * made.bin_m
    assert found.tried_m[0] < found.offset_m < found.tried_m[-1] and min(found.misfits) == 1 and max(found.misfits) > 1.1


def test_units_and_sizes_make_no_difference():
    """Neither that of the sinogram nor that of lengths: a micrometre or a kilometre."""
    scan, other = SCANS["parallel"], Parallel(pixels=48, fov_m=3e-7, views=60, bins=136)
    made = replace(scan, offset_m=5.3 * scan.bin_m)
    y = sinogram(made)
    expected = find_centre(scan, y).offset_m / scan.bin_m
    assert find_centre(scan, 1e6 * y).offset_m / scan.bin_m == pytest.approx(expected, abs=0.01)
    assert find_centre(other, 1e-6 * y).offset_m / other.bin_m == pytest.approx(expected, abs=0.01)


def test_more_noise_means_a_larger_error():
    scan = SCANS["parallel"]
    errors = [abs(find_centre(scan, sinogram(scan, photons)).offset_m) / scan.bin_m for photons in (1e6, 1e2)]
    assert errors[0] < 0.03 and errors[1] < 1


@pytest.mark.parametrize(
    ("scan", "says"),
    [
        (Parallel(pixels=48, fov_m=0.3, views=60, step_deg=2.0), "over 120 degrees do not decide"),
        (Parallel(pixels=48, fov_m=0.3, views=15), "15 views over 180 degrees"),
        (Fan(pixels=48, fov_m=0.3, views=90, step_deg=1.5, source_m=0.57, detector_m=1.04), "over 135 degrees"),
    ],
)
def test_scans_that_do_not_decide_are_refused(scan, says):
    with pytest.raises(InputError, match=says):
        find_centre(scan, torch.rand(1, 1, *scan.shape))


@pytest.mark.parametrize("size", [0, 1])
def test_sinograms_of_nothing_are_refused(size):
    scan = SCANS["parallel"]
    with pytest.raises(InputError, match=r"centre=find: .*say centre=BIN"):
        find_centre(scan, size * torch.randn(1, 1, *scan.shape, generator=torch.Generator().manual_seed(0)))


def test_bins_and_shifts_are_two_words_for_one_thing():
    scan = Parallel(pixels=48, fov_m=0.3, views=60, bins=136)
    assert offset_of(scan, 67.5) == 0 and offset_of(scan, 60) == pytest.approx(7.5 * scan.bin_m)
    assert bin_of(scan, offset_of(scan, 12.25)) == pytest.approx(12.25)
    assert replace(scan, offset_m=offset_of(scan, 60)).bins_m[60] == pytest.approx(0)
    for beside in (-0.1, 135.5):
        with pytest.raises(InputError, match="from 0 to 135"):
            offset_of(scan, beside)


def test_a_reconstruction_finds_its_centre(tmp_path):
    """As if it had been said, for a sinogram and for a stack; and shows how."""
    scan = replace(SCANS["parallel"], offset_m=9.3 * SCANS["parallel"].bin_m)
    y = sinogram(scan)[0, 0].numpy()
    np.save(tmp_path / "y.npy", np.stack([y, y]))
    words = ["geometry=tiny", "geometry.pixels=48", "geometry.views=60", "geometry.bins=136", "geometry.fov_m=0.3", "model=fbp"]
    said = (tmp_path / "x.npy", f"centre={bin_of(scan, scan.offset_m)}")
    found, stack = (tmp_path / "z.npy", "centre=find"), (tmp_path / "s.npy", "centre=find")
    for (out, word), index in ((said, "index=0"), (found, "index=1"), (stack, "index=all")):
        inside("reconstruct", "sinogram=y.npy", f"out={out.name}", "unit=metres", index, word, *words, cwd=tmp_path)
    x, z, s = (np.load(path) for path, _ in (said, found, stack))
    expected = FBP(scan)(torch.from_numpy(y)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(x, expected, atol=1e-5)
    assert s.shape == (2, 48, 48) and np.array_equal(s[0], z)
    assert (
        np.abs(z - expected).max()
        < 0.05
        < np.abs(FBP(SCANS["parallel"])(torch.from_numpy(y)[None, None])[0, 0].numpy() - expected).max()
    )
    again = ["sinogram=y.npy", "out=x.png", "unit=metres", "index=0", *words]
    inside("reconstruct", *again, "centre=find", "centre_out=centre.svg", cwd=tmp_path)
    assert "<svg" in (tmp_path / "centre.svg").read_text()
    with pytest.raises(SystemExit):
        inside("reconstruct", *again, "centre_out=other.png", cwd=tmp_path)


@pytest.mark.skipif(not (SHARED / "tooth.h5").exists(), reason="measured data are not here")
def test_the_tooth_is_where_its_scan_says():
    with h5py.File(SHARED / "tooth.h5") as file:
        group = file["tooth_slice0"]
        y, angles = torch.from_numpy(group["sinogram"][()])[None, None].float(), np.rad2deg(group["angles_rad"][()])
    scan = Parallel(pixels=256, fov_m=640e-6, bins=640, bin_m=1e-6, angles_deg=angles.tolist())
    assert bin_of(scan, find_centre(scan, y).offset_m) == pytest.approx(296.0, abs=0.25)


@pytest.mark.skipif(not (SHARED / "htc2022.h5").exists(), reason="measured data are not here")
def test_a_measured_disc_is_centred():
    with h5py.File(SHARED / "htc2022.h5") as file:
        y = torch.from_numpy(file["sinogram"][3][:720:2])[None, None].float()
    scan = Fan(
        pixels=256, fov_m=0.0759410265, views=360, bins=560, bin_m=0.0002, start_deg=90.0, source_m=0.41066, detector_m=0.55374
    )
    assert abs(find_centre(scan, y).offset_m) < 0.25 * scan.bin_m
