"""Which architecture learns most from so much computing: every one, ordinary and equivariant, trained for the same CPU time.

python tests/benchmarks/race.py slices.h5 --budgets 2 8 --out FOLDER

Machines differ and other work slows them down, so a CPU minute is defined: one in which REFERENCE takes 60 / SECONDS training steps. What a step of
every contestant costs is measured against steps of REFERENCE in the same rounds of the same process (one thread, process time; the least of 15 each)
and kept in costs.csv; a budget is then a number of steps, and a training gives the same weights wherever and whenever it runs. All learn from the
same pairs of 50 views, one at a time, by Adam, whose rate rises and falls once; measuring does not count. The rate of each contestant and budget is
the best one of --rates on validation images; the test images are seen once, by the chosen training, upright and turned by 90 degrees. Guests:
deepinv's U-Net after the same filtered back-projections, which are computed for it beforehand (where deepinv is installed: `uv sync --extra bench`),
and the published recipe of learned primal-dual (zero start, its own draw of weights, beta2 0.99, clipped gradients, cosine). --processes trainings run
side by side; killed and started again, the race goes on. Writes the facts of each training into FOLDER/trainings, and of all that lie there race.csv
(a row a training), curves.csv (validation PSNR against CPU seconds), race.md and race.png; `--contestants` without a name only does the latter.
"""

import argparse
import csv
import importlib.util
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from ctrecon.config.compose import compose
from ctrecon.config.conf import groups, member
from ctrecon.config.experiment import Experiment
from ctrecon.config.make import target
from ctrecon.data.augment import Pose
from ctrecon.data.pairs import Pairs
from ctrecon.disk.table import as_markdown
from ctrecon.evidence.bootstrap import estimate
from ctrecon.fitting.fit import SCHEDULES
from ctrecon.measure.metrics import psnr, ssim
from ctrecon.models.fitting import Fitting
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.physics.geometry import Geometry

TURNS = (0, 90)
LEARNED = [name for name in groups()["model"] if target("model", member("model", name)).fitting is Fitting.WEIGHTS]
ARCHITECTURES = {name: [f"model={name}"] for name in LEARNED} | {  # every learned model as it is, and these
    "equilibrium": ["experiment=equilibrium"],
    "unrolled_flow": ["model=unrolled", "network=flow", "model.iterations=8"],
    "unrolled_unet_1": ["model=unrolled_unet", "model.iterations=1"],
    "unrolled_unet_4": ["model=unrolled_unet", "model.iterations=4"],
    "unet": ["model=post_processing", "network=unet"],
    "flow": ["model=post_processing", "network=flow", "network.blocks=8"],
}
FAMILIES = ("plain", "c4", "p4")
CONTESTANTS = {f"{name}-{conv}": [*words, f"conv={conv}"] for name, words in ARCHITECTURES.items() for conv in FAMILIES}
CONTESTANTS["published_primal_dual"] = ["experiment=primal_dual", "conv=plain"]
GUEST = "deepinv_unet"
REFERENCE, SECONDS = "unrolled_flow-c4", 0.2
ROUNDS = 15
CURVE = 8  # validations of a training, evenly over its budget


def main() -> None:
    """Measure what a step costs, train what is not trained, then set side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="HDF5 slices")
    parser.add_argument("--out", type=Path, default=Path("runs/race"))
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--train-size", type=int, default=100)
    parser.add_argument("--val-size", type=int, default=20)
    parser.add_argument("--test-size", default="null", help="test images; null: all")
    parser.add_argument("--budgets", type=float, nargs="*", default=[2.0, 8.0, 30.0], help="CPU minutes")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-3])
    parser.add_argument("--contestants", nargs="*", default=[*CONTESTANTS, GUEST])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--one", nargs=3, metavar=("NAME", "MINUTES", "RATE"), help="this training only, in this process")
    parser.add_argument("--measure", action="store_true", help="with --one: measure it on the test images")
    chosen = parser.parse_args()
    (chosen.out / "trainings").mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    words = ["geometry=sparse_50", f"geometry.pixels={chosen.pixels}", "data=slices", f"data.file={chosen.file.resolve()}"]
    words += [f"data.train_size={chosen.train_size}", f"data.val_size={chosen.val_size}", f"data.test_size={chosen.test_size}"]
    if chosen.one:
        name, minutes, rate = chosen.one
        return (measure if chosen.measure else train)(chosen.out, name, float(minutes), float(rate), words)
    there = [name for name in chosen.contestants if name != GUEST or importlib.util.find_spec("deepinv")]
    weigh(chosen.out, there, words)
    with ThreadPoolExecutor(chosen.processes) as pool:
        for minutes in sorted(chosen.budgets):
            list(pool.map(lambda one, minutes=minutes: start(*one, minutes), [(n, r) for n in there for r in chosen.rates]))
            best = [(name, best_rate(chosen.out, name, minutes)) for name in there]
            list(pool.map(lambda one, minutes=minutes: start(*one, minutes, "--measure"), best))
    return report(chosen.out)


def start(name: str, rate: float, minutes: float, *more: str) -> None:
    """Train, or measure, in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, *sys.argv[1:], "--one", name, str(minutes), str(rate), *more]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def best_rate(out: Path, name: str, minutes: float) -> float:
    """The rate with the best validation PSNR."""
    found = [json.loads(path.read_text()) for path in (out / "trainings").glob(f"{name}-{minutes:g}min-*.json")]
    return max(found, key=lambda one: one["validation"] or 0.0)["rate"]


class Guest(nn.Module):
    """deepinv's U-Net, from a filtered back-projection."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        from deepinv.models import UNet

        self.fbp, self.network = FilteredBackProjection(geometry, "hann"), UNet(in_channels=1, out_channels=1, scales=4)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return self.network(self.fbp(y))


class Training:
    """A contestant freshly drawn, its pairs and its descent."""

    def __init__(self, name: str, words: list[str]) -> None:
        self.experiment = Experiment(compose([*CONTESTANTS.get(name, []), *words]))
        torch.manual_seed(0)
        self.model = Guest(self.experiment.geometry) if name == GUEST else self.experiment.model()
        self.learner = self.model.network if name == GUEST else self.model
        self.published = name == "published_primal_dual"
        pairs = self.experiment.pairs("train")
        every = (pairs.pair(k) for k in range(len(pairs)))
        self.pairs = [(x, self.model.fbp(y)) for x, y in every] if name == GUEST else list(every)
        self.order, self.left = np.random.default_rng(0), []
        self.model(pairs.pair(0)[1])  # makes what is made at first use
        self.descent = torch.optim.Adam(self.model.parameters(), lr=1e-3, betas=(0.9, 0.99 if self.published else 0.999))
        self.schedule = SCHEDULES["cosine" if self.published else "one_cycle"]

    def step(self, rate: float, part: float) -> float:
        """One training step at a part of the cycle of this rate; returns the loss."""
        self.model.train()
        for group in self.descent.param_groups:
            group["lr"] = rate * self.schedule(part)
        if not self.left:
            self.left = list(self.order.permutation(len(self.pairs)))
        batch = [self.pairs[self.left.pop()] for _ in range(min(5 if self.published else 1, len(self.left)))]
        self.descent.zero_grad()
        loss = mse_loss(self.learner(torch.cat([y for _, y in batch])), torch.cat([x for x, _ in batch]))
        loss.backward()
        if self.published:
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.descent.step()
        return loss.item()


def costs(out: Path) -> dict[str, float]:
    """CPU seconds of a step, by contestant, as far as they were measured."""
    path = out / "costs.csv"
    return {name: float(value) for name, value in csv.reader(path.open())} if path.exists() else {}


def weigh(out: Path, names: list[str], words: list[str]) -> None:
    """Measure what a step of each contestant costs against one of REFERENCE, where that is not known."""
    known = costs(out) | {REFERENCE: SECONDS}
    unknown = [name for name in names if name not in known]
    reference = Training(REFERENCE, words) if unknown else None
    for name in unknown:
        other, spent = Training(name, words), []
        for _ in range(ROUNDS):
            times = []
            for training in (reference, other):
                began = time.process_time()
                training.step(1e-3, 0.5)
                times.append(time.process_time() - began)
            spent.append(times)
        least = np.min(spent, axis=0)  # other work on the machine only adds
        known[name] = float(SECONDS * least[1] / least[0])
        print(f"{name}: a step costs {known[name] / SECONDS:.2f} of one of {REFERENCE}, here {least[0]:.3f} s", flush=True)
        with (out / "costs.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows((one, f"{cost:.4f}") for one, cost in sorted(known.items()))


def facts_of(out: Path, name: str, minutes: float, rate: float) -> Path:
    """The file of a training's facts; its weights lie beside it, in .pt."""
    return out / "trainings" / f"{name}-{minutes:g}min-{rate:g}.json"


def measure(out: Path, name: str, minutes: float, rate: float, words: list[str]) -> None:
    """Measure a training on the test images, once."""
    where = facts_of(out, name, minutes, rate)
    known = json.loads(where.read_text())
    if known["validation"] and "test" not in known:
        training = Training(name, words)
        training.model.load_state_dict(torch.load(where.with_suffix(".pt"), weights_only=True))
        where.write_text(json.dumps(known | tested(training.model, training.experiment.pairs("test"))))


def train(out: Path, name: str, minutes: float, rate: float, words: list[str]) -> None:
    """Train for as many steps as the CPU time has, where that is not done."""
    where = facts_of(out, name, minutes, rate)
    if where.exists():
        return
    training, cost = Training(name, words), costs(out)[name]
    validation, steps = training.experiment.pairs("val"), max(1, round(60 * minutes / cost))
    curve = []
    for done in range(1, steps + 1):
        if not np.isfinite(training.step(rate, (done - 1) / steps)):
            break
        if done * CURVE // steps > (done - 1) * CURVE // steps:
            curve.append((done * cost, measured(training.model, validation)[0].mean()))
    torch.save(training.model.state_dict(), where.with_suffix(".pt"))
    last = curve[-1][1] if curve and curve[-1][0] == steps * cost else None  # not where it broke down
    facts = {"name": name, "minutes": minutes, "rate": rate, "steps": done, "seconds_per_step": cost, "curve": curve}
    where.write_text(json.dumps(facts | {"validation": last, "parameters": sum(p.numel() for p in training.model.parameters())}))
    print(f"{name}, {minutes:g} min, rate {rate:g}: {done} steps, validation {last or float('nan'):.2f} dB", flush=True)


@torch.no_grad()
def measured(model: nn.Module, pairs: Pairs, turn: int = 0) -> np.ndarray:
    """(2, images): PSNR and SSIM of every pair."""
    model.eval()
    shown = (pairs.pair(k, Pose(turn)) for k in range(len(pairs)))
    images = [(model(y)[0, 0].numpy(), x[0, 0].numpy()) for x, y in shown]
    return np.array([[metric(image, truth) for image, truth in images] for metric in (psnr, ssim)])


def tested(model: nn.Module, pairs: Pairs) -> dict[str, object]:
    """Means over patients with 95 % intervals at every turn, and CPU seconds an image."""
    began, patients = time.process_time(), [pairs.patient(k) for k in range(len(pairs))]
    found: dict[str, object] = {"test": {}}
    for turn in TURNS:
        values = measured(model, pairs, turn)
        found["test"][str(turn)] = {
            name: estimate([row.tolist()], patients).as_dict() for name, row in zip(("psnr", "ssim"), values, strict=True)
        }
    return found | {"seconds_per_image": (time.process_time() - began) / (len(TURNS) * len(pairs))}


def report(out: Path) -> None:
    """Tables and a picture of every training that lies in the folder."""
    found = [json.loads(path.read_text()) for path in sorted((out / "trainings").glob("*.json"))]
    with (out / "race.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["name", "minutes", "rate", "steps", "parameters", "seconds_per_step", "validation", "chosen"])
        table.writerows(
            [
                *(one[key] for key in ("name", "minutes", "rate", "steps", "parameters", "seconds_per_step", "validation")),
                int("test" in one),
            ]
            for one in found
        )
    chosen = sorted((one for one in found if "test" in one), key=lambda one: (one["minutes"], -one["test"]["0"]["psnr"]["mean"]))
    with (out / "curves.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["name", "minutes", "cpu_seconds", "validation_psnr"])
        table.writerows([one["name"], one["minutes"], f"{at:.2f}", f"{value:.4f}"] for one in chosen for at, value in one["curve"])
    by_budget = {minutes: list(group) for minutes, group in groupby(chosen, key=lambda one: one["minutes"])}
    tables = (f"## {minutes:g} CPU minutes\n\n{as_markdown([row(one) for one in group])}\n" for minutes, group in by_budget.items())
    text = "\n".join(tables)
    (out / "race.md").write_text(text)
    print(text)
    if chosen:
        draw(out / "race.png", by_budget)


def draw(path: Path, by_budget: dict[float, list[dict]]) -> None:
    """Validation PSNR against CPU seconds, a panel a budget: a colour an architecture, dashes for the equivariant forms."""
    architectures = sorted({one["name"].split("-")[0] for group in by_budget.values() for one in group})
    colours = dict(zip(architectures, plt.get_cmap("tab10")(np.arange(len(architectures)) % 10), strict=True))
    figure, panels = plt.subplots(1, len(by_budget), figsize=(5 * len(by_budget), 5), squeeze=False)
    for axes, (minutes, group) in zip(panels[0], by_budget.items(), strict=True):
        for one in group:
            architecture, _, family = one["name"].partition("-")
            style = {"": ":", "plain": "-", "c4": "--", "p4": "-."}[family]
            axes.plot(*zip(*one["curve"], strict=True), label=one["name"], ls=style, color=colours[architecture])
        best = max(one["curve"][-1][1] for one in group)
        axes.set_ylim(best - 4, best + 0.3)  # what breaks down or lies far behind leaves the picture
        axes.set_xlabel("CPU seconds")
        axes.set_title(f"{minutes:g} CPU minutes")
        axes.legend(fontsize=6, loc="lower right")
    panels[0][0].set_ylabel("validation PSNR in dB")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def row(one: dict) -> dict[str, str]:
    """A line of the table."""
    shown = {
        "contestant": one["name"],
        "rate": f"{one['rate']:g}",
        "steps": f"{one['steps']:,}",
        "parameters": f"{one['parameters']:,}",
    }
    shown |= {"s a step": f"{one['seconds_per_step']:.2f}", "s an image": f"{one['seconds_per_image']:.3f}"}
    for turn in TURNS:
        lies, values = "upright" if turn == 0 else f"{turn} degrees", one["test"][str(turn)]
        for name, digits in (("psnr", 2), ("ssim", 3)):
            mean, low, high = (values[name][key] for key in ("mean", "low", "high"))
            shown[f"{name.upper()} {lies}"] = f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    return shown


if __name__ == "__main__":
    main()
