"""Ray transforms side by side: time and memory of A, A^T and both with autograd, against ODL's.

    uv run python tests/benchmarks/projector.py                        # everything, some ten minutes
    uv run python tests/benchmarks/projector.py --sizes 256 --batches 8

Everything is measured in turns within one run, so that a noisy machine is noisy for all; only ratios mean something. deepinv is
measured where it can be imported (extra `bench`). The limit is the time to read the whole matrix once: its bytes over the copy
bandwidth (read and written) of the same moment.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import astra
import numpy as np
import psutil
import torch
from odl.applications import tomo
from skimage.transform import iradon, radon

from ctrecon.physics.astra_form import plane
from ctrecon.physics.factors import _astra_rows
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.matrix_free import MatrixFree
from ctrecon.physics.odl_form import space, to_odl
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.stored_matrix import StoredMatrix

VIEWS = 50
SECONDS = 1.5  # of measuring each operation, at least three times
COPIED = 2**27  # float32 that the bandwidth is measured with


class Subject(NamedTuple):
    """A ray transform of batches (B, 1, N, N) and (B, 1, A, D); `both` is A then A^T, with autograd where there is some."""

    forward: Callable
    transpose: Callable
    both: Callable
    kind: str


def ours(projector: type) -> Callable[[Geometry], Subject]:
    def make(scan: Geometry) -> Subject:
        A = RayTransform(scan, projector)

        def both(x: torch.Tensor) -> torch.Tensor:
            x = x.clone().requires_grad_()
            return torch.autograd.grad(A(x).square().sum() / 2, x)[0]

        return Subject(A, A.transpose, both, "autograd")

    return make


def odl(scan: Geometry) -> Subject:
    A = tomo.RayTransform(space(scan), to_odl(scan), impl="astra_cpu")
    each = lambda apply: lambda batch: [apply(one[0].numpy()) for one in batch]  # noqa: E731
    return Subject(each(A), each(A.adjoint), each(lambda x: A.adjoint(A(x))), "two calls")


def astra_direct(scan: Geometry) -> Subject:
    """One thread a batch element."""
    projector, pool = astra.create_projector(*plane(scan)), ThreadPoolExecutor(torch.get_num_threads())

    def run(operation: Callable, shape: tuple[int, int]) -> Callable:
        def one(array: np.ndarray) -> np.ndarray:
            out = np.empty(shape, np.float32)
            operation(projector, array, out=out)
            return out

        return lambda batch: np.stack(list(pool.map(one, [np.ascontiguousarray(b[0]) for b in batch])))

    forward = run(astra.projector.direct_FP, scan.shape)
    transpose = run(astra.projector.direct_BP, (scan.pixels,) * 2)
    return Subject(forward, transpose, lambda x: transpose(forward(x)[:, None]), "two calls")


def skimage(scan: Geometry) -> Subject:
    """Rotated images; `iradon` without a filter is its back-projection, not a transpose."""
    degrees = np.rad2deg(scan.angles_rad)
    forward = lambda batch: np.stack([radon(one[0].numpy(), degrees, circle=False) for one in batch])  # noqa: E731
    back = lambda y: iradon(y, degrees, filter_name=None, circle=False, output_size=scan.pixels)  # noqa: E731
    transpose = lambda batch: np.stack([back(np.asarray(one[0]).T) for one in batch])  # noqa: E731
    both = lambda x: np.stack([back(one) for one in forward(x)])  # noqa: E731
    return Subject(forward, transpose, both, "two calls")


def deepinv(scan: Geometry) -> Subject:
    """Rotated images, transposed by autograd (its default, exact)."""
    from deepinv.physics import Tomography

    angles = torch.from_numpy(np.rad2deg(scan.angles_rad)).float()
    A = Tomography(angles=angles, img_width=scan.pixels, circle=False, normalize=False)
    bins = A.A(torch.zeros(1, 1, scan.pixels, scan.pixels)).shape[-2]

    def transpose(y: torch.Tensor) -> torch.Tensor:
        return A.A_adjoint(torch.nn.functional.pad(y.transpose(2, 3), (0, 0, 0, bins - y.shape[3])))

    def both(x: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(A.A(x).square().sum() / 2, x)[0]

    return Subject(A.A, transpose, both, "autograd")


SUBJECTS: dict[str, Callable[[Geometry], Subject]] = {
    "ctrecon matrix": ours(StoredMatrix),
    "ctrecon astra": ours(MatrixFree),
    "ODL astra_cpu": odl,
    "ASTRA direct": astra_direct,
    "scikit-image": skimage,
    "deepinv": deepinv,
}
REFERENCE = "ODL astra_cpu"


def scan_of(pixels: int) -> Parallel:
    return Parallel(pixels=pixels, fov_m=0.36, views=VIEWS)


def bandwidth() -> float:
    """Bytes a second, read and written, of a large copy."""
    a, b = torch.rand(COPIED), torch.empty(COPIED)
    b.copy_(a)
    return 8 * COPIED / min(clocked(lambda: b.copy_(a)) for _ in range(5))


def clocked(work: Callable) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(subjects: dict[str, Subject], pixels: int, batch: int, whole: int) -> None:
    scan = scan_of(pixels)
    x, y = torch.rand(batch, 1, pixels, pixels), torch.rand(batch, 1, *scan.shape)
    works = {
        (name, op): (getattr(s, op), y if op == "transpose" else x) for name, s in subjects.items() for op in Subject._fields[:3]
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in works}
    limits = []
    for work, given in works.values():
        work(given)
    while any(len(spent) < 3 or (sum(spent) < SECONDS and len(spent) < 200) for spent in times.values()):
        limits.append(whole / bandwidth())
        for key, (work, given) in works.items():
            if len(times[key]) < 3 or sum(times[key]) < SECONDS:
                times[key] += [
                    clocked(lambda work=work, given=given: work(given)) for _ in range(10 if sum(times[key][:3]) < 0.3 else 1)
                ]
    limit, middle = statistics.median(limits), {key: statistics.median(spent) for key, spent in times.items()}
    print(f"\n{pixels} x {pixels}, {VIEWS} views, {scan.bins} bins, batch {batch}, {torch.get_num_threads()} threads")
    print("| | A | A^T | A then A^T | time over limit: A | A^T | memory at work |")
    print("|---|---|---|---|---|---|---|")
    for name, subject in subjects.items():
        faster = [f"{middle[REFERENCE, op] / middle[name, op]:.3g}" for op in Subject._fields[:3]]
        over = [f"{middle[name, op] / limit:.2f}" for op in Subject._fields[:2]]
        print(
            f"| {name} | {' | '.join(faster)} ({subject.kind}) | {' | '.join(over)} | {memory(name, pixels, batch)} |", flush=True
        )


def memory(name: str, pixels: int, batch: int) -> str:
    """What a process of its own needs beyond the data, measured there."""
    command = [sys.executable, __file__, "--memory", name, "--sizes", str(pixels), "--batches", str(batch)]
    return f"{float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]):.0f} MiB"


def grown(name: str, pixels: int, batch: int) -> float:
    """MiB that this process needs at most beyond what it has, as a transform is made (from disk, where it is kept) and used."""
    scan = scan_of(pixels)
    x, y = torch.rand(batch, 1, pixels, pixels), torch.rand(batch, 1, *scan.shape)
    before = psutil.Process().memory_info().rss
    subject = SUBJECTS[name](scan)
    subject.forward(x)
    subject.transpose(y)
    subject.both(x)
    # Not getrusage: its largest memory is inherited from the parent process.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 2**10 - before / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.memory:
        print(grown(chosen.memory, chosen.sizes[0], chosen.batches[0]))
        return
    print(f"A, A^T, A then A^T: times as fast as {REFERENCE}")
    for pixels in chosen.sizes:
        scan, subjects = scan_of(pixels), {}
        whole = 8 * _astra_rows(scan, np.arange(VIEWS)).nnz
        for name, make in SUBJECTS.items():
            try:
                subjects[name] = make(scan)
            except Exception as error:  # deepinv is an extra, and brings torchvision, which may not fit this torch
                print(f"{name}: left out ({type(error).__name__}: {error})")
        print(f"\nthe whole matrix of {pixels} x {pixels}: {whole / 2**20:.0f} MiB; copy bandwidth {bandwidth() / 1e9:.1f} GB/s")
        for batch in chosen.batches:
            measure(subjects, pixels, batch, whole)


if __name__ == "__main__":
    main()
