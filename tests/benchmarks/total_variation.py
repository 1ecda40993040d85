"""Total variation on LoDoPaB-like data, on our ray transform and on ODL's own: objective, time, and what it gains over FBP.

    uv run python tests/benchmarks/total_variation.py                       # phantoms
    uv run python tests/benchmarks/total_variation.py --slices ct_512.h5    # CT slices in an HDF5 file, its first patients

362 x 362 pixels of a 0.26 m square, 4096 photons, 50 views unless said otherwise. Both solve the same problem with the same solver
and the same number of iterations, image by image, in turns.
"""

import argparse
import time

import numpy as np
import odl
import torch
from odl.applications import tomo

from ctrecon.data.ellipses import Ellipses
from ctrecon.data.scanner import Scanner
from ctrecon.data.slices import Slices
from ctrecon.measure.metrics import psnr
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.physics.noise import Poisson
from ctrecon.physics.odl_form import space, to_odl
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.total_variation import TotalVariationProblem, unit_cells


class Plain(odl.Operator):
    """ODL's ray transform between spaces of unit cells, its adjoint the plain transpose."""

    def __init__(self, theirs: odl.Operator, domain, range_) -> None:
        self.theirs = theirs
        super().__init__(domain, range_, linear=True)

    def _call(self, x):
        return self.range.element(self.theirs(x.asarray()).asarray())

    @property
    def adjoint(self) -> odl.Operator:
        return _PlainAdjoint(self)


class _PlainAdjoint(odl.Operator):
    def __init__(self, plain: Plain) -> None:
        self.plain = plain
        theirs = plain.theirs
        self.factor = np.float32(theirs.domain.weighting.const / theirs.range.weighting.const)
        super().__init__(plain.range, plain.domain, linear=True)

    def _call(self, y):
        return self.range.element(self.factor * self.plain.theirs.adjoint(y.asarray()).asarray())

    @property
    def adjoint(self) -> odl.Operator:
        return self.plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", help="HDF5 file of slices; phantoms without")
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--views", type=int, default=50)
    parser.add_argument("--pixels", type=int, default=362)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--weight", type=float, default=5e-4)
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    scan = Parallel(pixels=chosen.pixels, fov_m=0.26, views=chosen.views)
    A, scanner = RayTransform(scan), Scanner(scan, Poisson(4096))
    mine = unit_cells(A)
    theirs = Plain(tomo.RayTransform(space(scan), to_odl(scan), impl="astra_cpu"), mine.domain, mine.range)
    sizes = {"train_size": None, "val_size": None, "test_size": chosen.images}
    images = (
        Slices(chosen.slices, **sizes)
        if chosen.slices
        else Ellipses(size=2 * chosen.pixels, **(sizes | {"train_size": 1, "val_size": 1}))
    )
    windows = {window: FilteredBackProjection(scan, window) for window in ("ram-lak", "hann")}
    rows = list(images.rows("test"))[: chosen.images]
    print(f"{scan.pixels} x {scan.pixels}, {chosen.views} views, weight {chosen.weight}, {chosen.iterations} iterations")
    print(
        "| image | FBP ram-lak | FBP hann | TV | TV on ODL's transform | objective, ours over ODL's | over its minimum | times as fast |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        x, y = scanner.scan(images.image(row), row)
        truth, data = x[0, 0].numpy(), y[0, 0].numpy()
        fbp = {window: f(y)[0, 0].numpy() for window, f in windows.items()}
        spent, found = {}, {}
        for name, operator in (("ours", mine), ("theirs", theirs)):
            problem = TotalVariationProblem(operator, A.norm, data, chosen.weight)
            began = time.perf_counter()
            found[name] = problem.solve(fbp["hann"], chosen.iterations)
            spent[name] = time.perf_counter() - began
        judge = TotalVariationProblem(theirs, A.norm, data, chosen.weight)  # by ODL's transform
        ours, odls = (judge.objective(found[name]) for name in ("ours", "theirs"))
        least = judge.objective(
            TotalVariationProblem(mine, A.norm, data, chosen.weight).solve(found["ours"], 10 * chosen.iterations)
        )
        numbers = [*(psnr(image, truth) for image in fbp.values()), *(psnr(image, truth) for image in found.values())]
        ratios = f"{ours / odls:.6f} | {ours / least:.5f} | {spent['theirs'] / spent['ours']:.1f}"
        print(f"| {row} | {' | '.join(f'{n:.2f}' for n in numbers)} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
