"""Contract of every projector in conf/projector, on every device it works on."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import devices, experiment

from ctrecon.errors import InputError
from ctrecon.measure.metrics import transpose_defect
from ctrecon.physics.auto import Auto, memory
from ctrecon.physics.cuda import Cuda
from ctrecon.physics.fan import Fan
from ctrecon.physics.matrix_free import MatrixFree
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.stored_matrix import LARGEST, StoredMatrix, matrix_bytes

PARALLEL = Parallel(pixels=32, fov_m=0.2, views=16)
FAN = Fan(pixels=32, fov_m=0.07, views=24, bins=60, bin_m=0.002, source_m=0.41, detector_m=0.55)
SCANS = {
    "even": PARALLEL,
    "odd": Parallel(pixels=33, fov_m=0.2, views=15),
    "odd bins": Parallel(pixels=32, fov_m=0.2, views=16, bins=45),
    "any angles": Parallel(pixels=32, fov_m=0.2, angles_deg=[170, 3, 11.5, 90, 42]),
    "shifted": dataclasses.replace(PARALLEL, offset_m=0.011, centre_m=(0.02, -0.01)),
    "fan": FAN,
    "short fan": dataclasses.replace(FAN, views=18, scan_views=18, step_deg=15.0, offset_m=0.004),
}
EXACT = 1e-6  # transpose defect of every projector on the CPU


def operator(projector, scan, device) -> RayTransform:
    """The ray transform, where this projector works on this device."""
    if (device == "cuda") != (projector == "cuda") and projector in ("astra", "cuda"):
        pytest.skip(f"{projector} does not work on {device}")
    return RayTransform(scan, experiment(f"projector={projector}").projector).to(device)


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_agrees_with_the_stored_matrix(projector, scan, device):
    A, reference = operator(projector, scan, device), RayTransform(scan, StoredMatrix)
    x, y = torch.rand(2, 1, scan.pixels, scan.pixels), torch.rand(2, 1, *scan.shape)
    # Random pixels are the hardest image. A matrix is symmetric exactly, ASTRA to 1e-4; its CUDA kernels interpolate in another way.
    for ours, theirs in ((A(x.to(device)), reference(x)), (A.transpose(y.to(device)), reference.transpose(y))):
        assert (ours.cpu() - theirs).abs().max() <= (3e-4 if device == "cpu" else 0.1) * theirs.abs().max()


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_transpose_is_exact(projector, scan):
    assert transpose_defect(operator(projector, scan, "cpu")) < EXACT


@pytest.mark.parametrize("device", devices())
def test_backward_is_the_other_of_the_pair(projector, device):
    """The gradient of |A x|^2 / 2 is A^T A x, that of |A^T y|^2 / 2 is A A^T y; and once more through the backward pass."""
    A = operator(projector, PARALLEL, device)
    x = torch.rand(2, 1, 32, 32, device=device, requires_grad=True)
    y = torch.rand(2, 1, *A.geometry.shape, device=device, requires_grad=True)
    for v, one, other in ((x, A, A.transpose), (y, A.transpose, A)):
        (gradient,) = torch.autograd.grad(one(v).square().sum() / 2, v, create_graph=True)
        torch.testing.assert_close(gradient, other(one(v)))
        w = torch.rand_like(v)
        (second,) = torch.autograd.grad((gradient * w).sum(), v)
        torch.testing.assert_close(second, other(one(w)))


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("scan", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_batch_layout_and_type_do_not_matter(projector, scan, device):
    A = operator(projector, scan, device)
    for apply, shape in ((A, (32, 32)), (A.transpose, scan.shape)):
        v = torch.rand(8, 1, *shape, device=device)
        expected = torch.cat([apply(one[None]) for one in v])
        torch.testing.assert_close(apply(v), expected)
        strided = v.transpose(2, 3).contiguous().transpose(2, 3)
        assert not strided.is_contiguous()
        torch.testing.assert_close(apply(strided), expected)
        assert apply(v.double()).dtype == torch.float64
        torch.testing.assert_close(apply(v.double()).float(), expected)


def test_shared_symmetries_are_exact_in_the_matrix():
    """ASTRA's own matrix is symmetric to 1e-4 at best."""
    for scan in SCANS.values():
        A, x = RayTransform(scan, StoredMatrix), torch.rand(1, 1, scan.pixels, scan.pixels)
        y = A(x)
        for move in scan.moves():
            torch.testing.assert_close(A(move.of_image(x)), move.of_sinogram(y), rtol=0, atol=1e-6 * y.max().item())


def test_only_one_pixel_of_each_orbit_is_stored():
    whole, eighth = (RayTransform(scan, StoredMatrix).projector for scan in (SCANS["shifted"], PARALLEL))
    sizes = [projector._factors("forward", 1)[1].values().numel() for projector in (whole, eighth)]
    assert sizes[1] == pytest.approx(sizes[0] / 8, rel=0.15)  # pixels on mirror lines have smaller orbits
    assert 8 * sizes[1] == pytest.approx(matrix_bytes(PARALLEL), rel=0.25)


PEAK = """
import torch
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.stored_matrix import StoredMatrix

def peak():  # MiB; what getrusage says is inherited from the parent
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
"""


def measured(script: str, **environment: str) -> float:
    """The number that a process of its own prints last."""
    command = [sys.executable, "-c", PEAK + script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return float(done.stdout.split()[-1])


def steps(pixels: int, number: int) -> str:
    return f"""
A, x = RayTransform(Parallel(pixels={pixels}, fov_m=0.36, views=50)), torch.rand(1, 1, {pixels}, {pixels})
for step in range({number}):
    v = z = x.clone().requires_grad_()
    for _ in range(8):
        v = v - A.transpose(A(v)) / A.norm**2
    v.sum().backward()
    if step == {number // 10}:
        before = peak()
print(peak() - before)
"""


def test_no_memory_is_left_behind():
    """Forward and backward through 8 iterations: a sinogram kept at each step would be 8 MiB."""
    assert measured(steps(64, 100)) < 3


@pytest.mark.slow
def test_memory_does_not_grow_over_a_thousand_steps():
    grown = measured(steps(256, 1000))
    print(f"grown by {grown:.1f} MiB in 900 steps")
    assert grown < 5


@pytest.mark.slow
def test_lodopab_runs_from_a_matrix_within_two_gibibytes(tmp_path):
    """Making it included."""
    script = """
A = RayTransform(Parallel(pixels=362, fov_m=0.26, views=1000, bins=513, start_deg=0.09), StoredMatrix)
A.transpose(A(torch.rand(1, 1, 362, 362)))
print(peak())
"""
    making, reading = (measured(script, CTRECON_CACHE=str(tmp_path)) for _ in range(2))
    print(f"peak {making:.0f} MiB as it is made, {reading:.0f} MiB from disk")
    assert max(making, reading) < 2048


def test_auto_chooses_by_memory(monkeypatch):
    """A stored matrix and its transpose may take a quarter of what is installed, and what 32-bit indices reach."""
    needed = 2 * matrix_bytes(PARALLEL)
    for installed, chosen in ((4 * needed, StoredMatrix), (4 * needed - 1, MatrixFree), (1e18, StoredMatrix)):
        monkeypatch.setattr("ctrecon.physics.auto.memory", lambda device, installed=installed: installed)
        auto = Auto(PARALLEL)
        assert type(auto.chosen()) is chosen and auto.chosen() is auto.chosen()
        assert (auto.symmetric_to, auto.transposed_to) == (chosen.symmetric_to, chosen.transposed_to)
        assert auto.describe().startswith(chosen(PARALLEL).describe() + " (auto: a stored matrix would be")
    monkeypatch.setattr("ctrecon.physics.auto.LARGEST", needed - 1)
    assert type(Auto(PARALLEL).chosen()) is MatrixFree


def test_memory_is_what_is_installed():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory(torch.device("cpu")) == pytest.approx(pages, rel=0.01)


def test_auto_moves_with_the_module():
    A, x = RayTransform(PARALLEL), torch.rand(1, 1, 32, 32).double()
    single, double = A(x), A.double()(x)
    assert 0 < (single - double).abs().max() < 1e-5 * double.max()


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_estimate_of_the_matrix_is_near(scan):
    """Entries of 8 bytes: a value and a column."""
    entries = RayTransform(scan, StoredMatrix).projector._factors("forward", 1)[1].values().numel()
    assert 8 * entries == pytest.approx(matrix_bytes(scan), rel=0.35)


def test_a_matrix_beyond_its_indices_is_refused_before_it_is_made():
    huge = Parallel(pixels=2048, fov_m=0.2, angles_deg=(np.arange(900) ** 1.01).tolist(), bins=2900)
    assert matrix_bytes(huge) > LARGEST
    with pytest.raises(InputError, match=r"projector=matrix: 900 views of 2900 bins.*projector=astra"):
        StoredMatrix(huge)
    assert "MiB" in StoredMatrix(PARALLEL).describe() and "one pixel in 8" in StoredMatrix(PARALLEL).describe()
    assert "one pixel" not in StoredMatrix(SCANS["shifted"]).describe()


def test_threads_do_not_matter():
    """To the last bit in the projection; in the transpose, which adds up what the threads' views give, to rounding."""
    scan, threads = SCANS["any angles"], torch.get_num_threads()
    x, y, results = torch.rand(3, 1, 32, 32), torch.rand(3, 1, *SCANS["any angles"].shape), []
    try:
        for number in (1, 2, 7):
            torch.set_num_threads(number)
            A = RayTransform(scan, MatrixFree)
            results.append((A(x), A.transpose(y)))
    finally:
        torch.set_num_threads(threads)
    for projected, transposed in results[1:]:
        assert torch.equal(projected, results[0][0])
        torch.testing.assert_close(transposed, results[0][1], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(InputError, match="projector=auto"):
        RayTransform(PARALLEL, Cuda)(torch.zeros(1, 1, 32, 32))


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_rays_for_cuda_are_those_for_the_cpu(scan):
    """The same lines in ASTRA's two frames: y grows along the rows in 3-D data and against them in 2-D data."""
    from ctrecon.physics.astra_form import plane, stack, stacks

    assert stacks(scan) != isinstance(scan, Fan)
    slices = 3 if stacks(scan) else 1
    flat, solid = plane(scan)[1]["Vectors"].reshape(-1, 3, 2), stack(scan, slices)[1]["Vectors"].reshape(-1, 4, 3)
    np.testing.assert_allclose(solid[:, :3, :2], flat * [1, -1])
    assert (solid[:, :3, 2] == 0).all() and (solid[:, 3] == [0, 0, scan.pixel_m]).all()
    assert stack(scan, slices)[2]["GridSliceCount"] == slices


def test_only_parallel_rays_take_a_stack_of_slices():
    from ctrecon.physics.astra_form import stack

    fan = Fan(pixels=16, fov_m=0.2, views=8, source_m=0.5, detector_m=0.5)
    for geometry, most in ((PARALLEL, 2), (fan, 1)):
        assert stack(geometry, most)[2]["GridSliceCount"] == most
    with pytest.raises(ValueError, match="rays from a point take one slice, not 2"):
        stack(fan, 2)
