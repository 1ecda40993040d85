"""A model of the zoo against FBP and total variation on many scans, most of which it never saw, and on measured sinograms.

python tests/benchmarks/zoo.py slices.h5 --run zoo/any --htc htc2022.h5 --tooth tooth.h5 --out FOLDER

Simulated scans: one test image a patient (the first), 10,000 photons, upright and turned by 90 degrees; the weight of total variation is chosen on
validation images for each scan, by `ctrecon train model=tv`. Measured scans: against filtered back-projection of all views, by PSNR after the best
scaling of each image; the weight of total variation is the best one for that measure, which no user can know. Writes zoo.csv, zoo.md and, of measured
scans, pictures.
"""

import argparse
import csv
from pathlib import Path

import h5py
import numpy as np
import torch

from ctrecon.config.compose import compose, config_of
from ctrecon.config.experiment import Experiment
from ctrecon.config.place import OneRun
from ctrecon.data.augment import Pose
from ctrecon.disk.table import as_markdown
from ctrecon.evidence.bootstrap import estimate
from ctrecon.fitting.launch import train_run
from ctrecon.measure.metrics import psnr
from ctrecon.models.classical import FBP
from ctrecon.models.model import Model
from ctrecon.models.tv import TV
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.ray import RayTransform
from ctrecon.report.chart import save
from ctrecon.report.picture import picture

FULL_FAN = ["geometry=fan_short", "geometry.step_deg=null"]
SCANS = {
    "16 views": ["geometry.views=16"],
    "33 views": ["geometry.views=33"],
    "50 views": [],
    "100 views": ["geometry.views=100"],
    "200 views": ["geometry.views=200"],
    "77 views, 160 degrees": ["geometry.views=77", "geometry.step_deg=2.0779"],
    "60 views, 120 degrees": ["geometry=limited_120"],
    "45 views, 90 degrees": ["geometry.views=45", "geometry.step_deg=2.0"],
    "60 views, 60 degrees": ["geometry.views=60", "geometry.step_deg=1.0"],
    "fan, 150 views": [*FULL_FAN, "geometry.views=150"],
    "fan, 40 views": [*FULL_FAN, "geometry.views=40"],
    "fan, short scan": ["geometry=fan_short"],
    "fan, shifted by a quarter": [*FULL_FAN, "geometry.views=120", "geometry.offset_m=0.12"],
}
WEIGHTS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)


def main() -> None:
    """Measure what is asked for and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="HDF5 slices")
    parser.add_argument("--run", default="zoo/any")
    parser.add_argument("--out", type=Path, default=Path("runs/zoo"))
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--photons", type=float, default=1e4)
    parser.add_argument("--val-size", type=int, default=6)
    parser.add_argument("--scans", nargs="*", default=[*SCANS])
    parser.add_argument("--htc", type=Path, help="htc2022.h5")
    parser.add_argument("--views", type=int, nargs="*", default=[720, 180, 60, 30], help="of the discs")
    parser.add_argument("--tooth", type=Path, help="tooth.h5")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    run = OneRun("folder").found(chosen.run)
    rows = [simulated(run, name, chosen) for name in chosen.scans]
    if chosen.htc:
        rows += [
            row for views in chosen.views for row in discs(run, chosen.htc, f"0:720:{720 // views}", f"disc, {views} views", chosen)
        ]
        rows += discs(run, chosen.htc, "0:181", "disc, 90 degrees", chosen)
    if chosen.tooth:
        rows += [tooth(run, chosen.tooth, step, chosen) for step in (1, 4)]
    with (chosen.out / "zoo.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    (chosen.out / "zoo.md").write_text(as_markdown(rows) + "\n")
    print(as_markdown(rows))


def on(run: str, geometry: Geometry, node: dict) -> Model:
    """The model of a run for a scan."""
    return Experiment(config_of(run, []) | {"geometry": node}, geometry).model(run).eval()


@torch.no_grad()
def simulated(run: str, name: str, chosen: argparse.Namespace) -> dict[str, str]:
    """A row of the table: means over patients, and how far the model is ahead of total variation, image by image."""
    words = ["geometry=sparse_50", *SCANS[name], f"geometry.pixels={chosen.pixels}", f"noise.photons={chosen.photons}"]
    words += ["data=slices", f"data.file={chosen.file.resolve()}", f"data.val_size={chosen.val_size}"]
    e = Experiment(compose([*words, "model=fbp"]))
    folder = chosen.out / "tv" / file_name(f"{name} {chosen.pixels}")
    tuned = train_run(compose([*words, "model=tv", f"run_dir={folder}", "device=cpu"]))
    tv = Experiment(compose([*words, "model=tv"])).model()
    tuned.load_weights(tv)
    models = {"fbp": e.model(), "tv": tv, "zoo": on(run, e.geometry, e.config["geometry"])}
    pairs = e.pairs("test")
    first = {pairs.patient(index): index for index in reversed(range(len(pairs)))}
    found: dict[str, list[float]] = {one: [] for one in (*models, "turned")}
    for index in first.values():
        for label, turn in (("", 0), ("turned", 90)):
            x, y = pairs.pair(index, Pose(turn))
            for one in models if not label else ("zoo",):
                found[label or one].append(psnr(models[one].eval()(y)[0, 0].numpy(), x[0, 0].numpy()))
    gain = estimate([list(np.subtract(found["zoo"], found["tv"]))], [*first])
    row = {"scan": f"{name}, {chosen.pixels} x {chosen.pixels}"} | {one: f"{np.mean(values):.2f}" for one, values in found.items()}
    print(row, flush=True)
    return row | {"zoo - tv": gain.format("psnr"), "least": f"{np.subtract(found['zoo'], found['tv']).min():+.2f}"}


def discs(run: str, path: Path, views: str, name: str, chosen: argparse.Namespace) -> list[dict[str, str]]:
    """Rows of two discs, an easy and a hard one."""
    node = compose(["geometry=fan_htc2022", f"geometry.pixels={2 * chosen.pixels}"])["geometry"]
    rows = []
    for number in (3, 16):
        with h5py.File(path) as file:
            y = torch.from_numpy(file["sinogram"][number])[None, None].float() / MU_MAX
        rows.append(measured(run, f"{name}, number {number}", node | {"views": views}, node | {"views": "0:720"}, y, chosen))
    return rows


def tooth(run: str, path: Path, step: int, chosen: argparse.Namespace) -> dict[str, str]:
    """A row of the tooth, from every or every fourth view."""
    with h5py.File(path) as file:
        group = file["tooth_slice0"]
        y, angles = torch.from_numpy(group["sinogram"][()])[None, None].float(), np.rad2deg(group["angles_rad"][()])
    bins, width = y.shape[-1], 1e-6
    node = {
        "_target_": "ctrecon.physics.parallel.Parallel",
        "pixels": 2 * chosen.pixels,
        "fov_m": bins * width,
        "bins": bins,
        "bin_m": width,
        "offset_m": ((bins - 1) / 2 - 296.0) * width,
        "angles_deg": angles.tolist(),
    }
    name = f"tooth, {len(range(0, 180, step))} views"
    return measured(run, name, node | {"views": f"0:180:{step}"}, node | {"views": "0:180"}, y, chosen)


@torch.no_grad()
def measured(run: str, name: str, node: dict, whole: dict, y: torch.Tensor, chosen: argparse.Namespace) -> dict[str, str]:
    """A row of a measured sinogram y of all views of the scanner, of which `node` uses a part; a picture of it."""
    e, all_views = (Experiment(compose(["model=fbp"]) | {"geometry": one}) for one in (node, whole))
    part, ray = y[:, :, list(e.geometry.seen.numbers)], RayTransform(e.geometry)
    truth = FBP(all_views.geometry)(y[:, :, list(all_views.geometry.seen.numbers)])[0, 0].numpy()
    scale = float(part.max() / e.geometry.fov_m)  # so that the weights of total variation mean what they mean for patients
    images = {"fbp": FBP(e.geometry)(part), "zoo": on(run, e.geometry, node)(part)}
    tried = [scale * TV(ray, FBP(e.geometry), weight=weight)(part / scale) for weight in WEIGHTS]
    images["tv"] = max(tried, key=lambda image: scale_free(image[0, 0].numpy(), truth))
    found = {one: scale_free(image[0, 0].numpy(), truth) for one, image in images.items()}
    top = float(np.quantile(truth, 0.999))
    shown = {one: image[0, 0].numpy() / top for one, image in images.items()}
    save(picture([(name, truth / top, shown)]), chosen.out / file_name(name))
    row = {"scan": f"{name}, {node['pixels']} x {node['pixels']}"} | {one: f"{found[one]:.2f}" for one in ("fbp", "tv", "zoo")}
    print(row, flush=True)
    ahead = f"{found['zoo'] - found['tv']:+.2f}"
    return row | {"turned": "", "zoo - tv": ahead, "least": ahead}


def file_name(name: str) -> str:
    """A name without commas and spaces."""
    return name.replace(",", "").replace(" ", "_")


def scale_free(image: np.ndarray, truth: np.ndarray) -> float:
    """PSNR after the scaling that makes it largest, over the range of the truth."""
    factor = float((image * truth).sum() / (image * image).sum())
    return float(10 * np.log10((truth.max() - truth.min()) ** 2 / np.square(factor * image - truth).mean()))


if __name__ == "__main__":
    main()
