"""A geometry is one class in one file: two that the application does not know go through its verbs."""

import math
import shutil
import sys
import types
from dataclasses import dataclass
from typing import ClassVar

import analytic
import numpy as np
import pytest
import torch
import yaml
from conftest import inside

from ctrecon.config.conf import CONF
from ctrecon.errors import InputError
from ctrecon.measure.metrics import transpose_defect
from ctrecon.physics.beam import Beam, across, axes
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.matrix_free import MatrixFree
from ctrecon.physics.odl_form import to_odl
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.redundancy import fan_weights, parallel_weights
from ctrecon.physics.stored_matrix import StoredMatrix


@dataclass(frozen=True)
class Wobbling(Geometry):
    """Parallel rays whose detector moves along itself from view to view: the three methods that a geometry has to give."""

    wobble_m: float = 0.01

    arc_deg: ClassVar[float] = 180.0

    def frames(self):
        axis = axes(self.angles_rad)[0]
        place = self.wobble_m * np.cos(5 * self.angles_rad) - axis @ np.array(self.centre_m)
        return np.stack([place[:, None] * axis, self.bins * self.bin_m / 2 * axis], axis=1)

    def shadow_m(self, radius):
        return radius + self.wobble_m

    def ray_weights(self):
        return parallel_weights(self)


@dataclass(frozen=True)
class Arc(Geometry):
    """A fan whose detector is an arc around the source, with bins at equal angles: what a detector that is not flat gives besides."""

    source_m: float = 0.5
    detector_m: float = 1.0

    arc_deg: ClassVar[float] = 360.0

    @property
    def gamma(self):
        return self.bins_m / self.detector_m

    def frames(self):
        axis, depth = axes(self.angles_rad)
        source = -self.source_m * depth - np.array(self.centre_m)
        middle = source + self.detector_m * depth + self.offset_m * axis
        return np.stack([source, middle, self.bins * self.bin_m / 2 * axis], axis=1)

    def shadow_m(self, radius):
        return self.detector_m * math.asin(radius / self.source_m)

    def ray_weights(self):
        return fan_weights(self, self.gamma) * np.cos(self.gamma)

    def beam(self):
        axis, depth = axes(self.angles_rad)
        along = np.cos(self.gamma)[:, None] * axis[:, None] - np.sin(self.gamma)[:, None] * depth[:, None]  # (A, D, 2)
        along, source = along.reshape(-1, 2), np.repeat(self.frames()[:, 0], self.bins, axis=0)
        return Beam(source, source + self.detector_m * across(along), along * self.bin_m, bins=1)

    def hits(self, views, like):
        grid = self.pixel_m * (np.arange(self.pixels) - (self.pixels - 1) / 2)
        axis, depth = axes(self.angles_rad[views])
        from_source = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1) - self.frames()[views, 0][:, None, None]
        sideways, ahead = (np.einsum("vhwk,vk->vhw", from_source, vector) for vector in (axis, depth))
        place = (np.arctan2(sideways, ahead) * self.detector_m - self.offset_m) / self.bin_m
        return tuple(torch.as_tensor(one).to(like) for one in (place, self.source_m / (sideways**2 + ahead**2)))

    def ramp(self, bins):
        kernel, angle = np.where(bins % 2 == 1, -1 / (np.pi * np.where(bins == 0, 1, bins)) ** 2, 0.0), self.bin_m / self.detector_m
        kernel[bins == 0] = 0.25
        return kernel / angle / np.sinc(np.clip(bins * angle, -3, 3) / np.pi) ** 2


NAME = "ctrecon.physics.only_here"
SCANS = {
    "wobbling": {"_target_": f"{NAME}.Wobbling", "pixels": 64, "fov_m": 0.36, "views": 180, "wobble_m": 0.03},
    "arc": {"_target_": f"{NAME}.Arc", "pixels": 64, "fov_m": 0.36, "views": 240, "bins": 128, "source_m": 0.45, "detector_m": 0.8},
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    """As if the classes were in a file of ctrecon/physics."""
    module = types.ModuleType(NAME)
    for one in (Wobbling, Arc):
        monkeypatch.setattr(one, "__module__", NAME)
        setattr(module, one.__name__, one)
    monkeypatch.setitem(sys.modules, NAME, module)


def scan_of(name, **other):
    node = {key: value for key, value in (SCANS[name] | other).items() if key != "_target_"}
    return {"wobbling": Wobbling, "arc": Arc}[name](**node)


def exact(name, scan, blobs):
    """The exact sinogram, by rays written down once more."""
    angle = scan.angles_rad[:, None, None]
    e, d = (np.concatenate(parts, -1) for parts in ((np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))))
    u = ((np.arange(scan.bins) - (scan.bins - 1) / 2) * scan.bin_m)[None, :, None]
    if name == "wobbling":
        points, directions = (u + scan.wobble_m * np.cos(5 * angle)) * e, np.broadcast_to(d, (*scan.shape, 2))
    else:
        directions = np.cos(u / scan.detector_m) * d + np.sin(u / scan.detector_m) * e
        points = np.broadcast_to(-scan.source_m * d, directions.shape)
    return torch.tensor(sum(one.integrals(points, directions) for one in blobs), dtype=torch.float32)[None, None]


@pytest.mark.parametrize("name", SCANS)
def test_projectors_follow_its_rays(name):
    scan = scan_of(name, pixels=32, views=12)
    blobs = analytic.pair(scan.fov_m)
    expected, x = exact(name, scan, blobs), analytic.image(blobs, scan, 3)
    for projector in (StoredMatrix, MatrixFree):
        A = RayTransform(scan, projector)
        assert (A(x) - expected).abs().mean() < 4e-3 * expected.max()
        assert transpose_defect(A) < 1e-6


@pytest.mark.parametrize("name", SCANS)
def test_filtered_back_projection_gives_the_object(name):
    scan = scan_of(name)
    blobs = analytic.pair(scan.fov_m)
    difference = FilteredBackProjection(scan)(exact(name, scan, blobs)) - analytic.image(blobs, scan)
    assert difference.abs().max() < 0.02


def test_a_quarter_turn_is_found_where_the_rays_have_it():
    assert len(scan_of("arc").moves()) == 8 and len(scan_of("wobbling").moves()) < 8
    with pytest.raises(InputError, match="ODL has no such geometry"):
        to_odl(scan_of("arc"))


@pytest.mark.parametrize("name", SCANS)
def test_what_simulate_writes_reconstruct_reads(name, tmp_path, capsys):
    """A geometry file says the scan to `simulate`; its own file beside the sinogram says it to `reconstruct`."""
    few = {"views": 120}
    scan = scan_of(name, **few)
    x = analytic.image(analytic.pair(scan.fov_m), scan)[0, 0].numpy()
    np.save(tmp_path / "x.npy", x)
    with pytest.MonkeyPatch.context() as patch:
        conf = tmp_path / "conf"
        shutil.copytree(CONF, conf)
        for module in ("conf", "compose"):
            patch.setattr(f"ctrecon.config.{module}.CONF", conf)
        (conf / "geometry" / f"new_{name}.yaml").write_text(yaml.safe_dump(SCANS[name] | few))
        words = ["image=x.npy", f"geometry=new_{name}", "noise=none", "unit=relative", "out=y.h5"]
        inside("simulate", *words, cwd=tmp_path)
        inside("show", "model=fbp", f"geometry=new_{name}", cwd=tmp_path)
    assert type(scan).__name__ in capsys.readouterr().out
    inside("reconstruct", "sinogram=y.h5", "out=again.npy", "model=fbp", "model.window=ram-lak", cwd=tmp_path)
    again = np.load(tmp_path / "again.npy")
    assert np.abs(again - x).max() < 0.08 * x.max() and np.corrcoef(again.ravel(), x.ravel())[0, 1] > 0.999
