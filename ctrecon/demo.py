"""The demonstration: an ordinary and an equivariant model trained side by side on phantoms, then a real CT slice."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from pydicom.data import get_testdata_file

from ctrecon.compare import compare
from ctrecon.config.compose import compose
from ctrecon.config.experiment import Experiment, model_of
from ctrecon.config.kind import Count, Device
from ctrecon.config.make import target
from ctrecon.config.options import options
from ctrecon.evaluate import evaluate_run
from ctrecon.files.image import read_image
from ctrecon.fitting.launch import train_run
from ctrecon.measure.metrics import psnr, ssim
from ctrecon.models.classical import FBP
from ctrecon.models.fitting import Fitting
from ctrecon.report.chart import save
from ctrecon.report.picture import picture
from ctrecon.runs import zoo
from ctrecon.runs.digits import quality, shown

# Narrow models, so that a laptop trains both in a few minutes; everything else is the default.
SCAN = ["geometry=sparse_50", "noise=poisson_10k"]
WORDS = [*SCAN, "data.train_size=20", "data.val_size=5", "data.test_size=15"]
NARROW = ["model=unrolled", "conv.channels=16", "model.iterations=5", "fit.validate_every=50"]
CONTESTANTS = {"plain": ["conv=plain", *NARROW], "c4": ["conv=c4", *NARROW], "fbp": ["model=fbp"]}


def main(words: Iterable[str]) -> None:
    """ctrecon demo."""
    demo(**options("demo", words)[0])


def demo(out: str, steps: Count, device: Device) -> None:
    """Train, evaluate, compare and reconstruct; everything is left in `out`, and going on after a stop is the same command."""
    folder, began = Path(out), time.perf_counter()
    experiments = {name: compose([*WORDS, *words, f"fit.steps={steps}"]) for name, words in CONTESTANTS.items()}
    print("== a real CT slice (128 x 128, from the pydicom package) from 50 noisy views, by models that are there already ==")
    ready = {"fbp": (None, [*SCAN, "model=fbp"]), "tv": (None, [*SCAN, "model=tv"]), "zoo/any": (str(zoo.folder("any")), SCAN)}
    _real_slice(ready, folder / "first")
    print("One slice proves nothing: notebooks/results/zoo has eleven patients and thirteen scans.")
    print(f"see {folder}/first.png; ctrecon reconstruct does that with your sinograms. Now two models learn:", flush=True)
    _first_picture(experiments["plain"], folder / "phantom")
    for name, values in experiments.items():
        print(
            f"\n== {name}: {f'{steps} steps on 20 phantoms' if target('model', values['model']).fitting is Fitting.WEIGHTS else 'nothing to train'} ==",
            flush=True,
        )
        run = train_run(values | {"run_dir": str(folder / name / "0"), "device": device})
        evaluate_run(str(run.path), [], [0, 90], None, device, certificate=False)
    print("\n== the real CT slice, of a kind that these have never seen in training ==")
    found = _real_slice({name: (str(folder / name / "0"), []) for name in CONTESTANTS}, folder / "ct_slice")
    best = max(found, key=found.__getitem__)
    print(f"On this one slice {best} is ahead; one slice proves nothing, the table below says how sure a difference is.")
    print("\n== 15 test phantoms, upright and turned by 90 degrees ==\n")
    print(compare([str(folder / name) for name in CONTESTANTS], str(folder / "comparison")))
    print(f"pictures: {folder}/first.png, {folder}/phantom.png, {folder}/ct_slice.png, {folder}/comparison/pictures.png")
    print(f"{time.perf_counter() - began:.0f} s. Next: ctrecon --help, or the README on real data.")


def _first_picture(values: dict[str, Any], path: Path) -> None:
    """Something to see while the models train."""
    experiment = Experiment(values)
    x, y = experiment.pairs("test").pair(0)
    image = FBP(experiment.geometry)(y)[0, 0].numpy()
    save(picture([("a test phantom", x[0, 0].numpy(), {"FBP of 50 noisy views": image})]), path)
    views, bins = experiment.geometry.shape
    print(
        f"a phantom, scanned in {views} views x {bins} bins with 10,000 photons a ray: FBP reaches {shown('psnr', psnr(image, x[0, 0].numpy()))} dB"
    )
    print(f"see {path}.png", flush=True)


@torch.no_grad()
def _real_slice(models: dict[str, tuple[str | None, list[str]]], picture_of: Path) -> dict[str, float]:
    """Reconstruct one real slice by models, each a run or none and words; draw them and return the PSNR of each."""
    source = read_image(get_testdata_file("CT_small.dcm", download=False), None, None)
    columns = {}
    for name, (run, words) in models.items():
        # The slice fills 85 mm, a detail of a body. Data steps are normalised by ||A||, so the same weights fit any field of view.
        experiment, model = model_of(run, [*words, f"geometry.fov_m={source.side_m}"])
        x, y = experiment.scanner.scan(source.x, row=0)  # the same noise for each
        columns[name] = model.eval()(y)[0, 0].numpy()
    truth = x[0, 0].numpy()
    for name, reconstruction in columns.items():
        print(f"{name:>7}: {quality(psnr(reconstruction, truth), ssim(reconstruction, truth))}")
    save(picture([("a real CT slice", truth, columns)]), picture_of)
    return {name: psnr(reconstruction, truth) for name, reconstruction in columns.items()}
