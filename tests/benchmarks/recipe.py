"""How soon the default recipe is where the paper's is after 5,000 steps: both trained on the same data, by the same command.

python tests/benchmarks/recipe.py slices.h5 --out FOLDER

Two trainings at a time, a thread each, so that both recipes see the same machine; killed and started again it goes on. Writes recipe.csv
(validation PSNR against seconds and steps) and recipe.png into the folder and prints the ratios. Hours on a CPU.
"""

import argparse
import csv
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.pyplot as plt

from ctrecon.runs.run import HISTORY, Run

RECIPES = {
    "paper": ["experiment=paper", "conv.channels=32", "fit.steps=5000", "fit.validate_every=250"],
    "default": ["model=unrolled", "fit.steps=1000", "fit.validate_every=25"],
}
FAMILIES = ("plain", "c4")


def main() -> None:
    """Train what is not trained, then set side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="HDF5 slices")
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--train-size", type=int, default=100)
    parser.add_argument("--val-size", type=int, default=30)
    parser.add_argument("--words", nargs="*", default=[], help="more words for all, such as model.iterations=2")
    chosen = parser.parse_args()
    data = ["geometry=sparse_50", f"geometry.pixels={chosen.pixels}", "data=slices", f"data.file={chosen.file.resolve()}"]
    data += [f"data.train_size={chosen.train_size}", f"data.val_size={chosen.val_size}", *chosen.words]
    # Each paper run beside the short ones, so that no recipe has the machine for itself.
    order = [("paper", "plain"), ("default", "plain"), ("default", "c4"), ("paper", "c4")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda key: train(chosen.out, *key, data), order))
    histories = {key: Run(chosen.out / "-".join(key)).read_rows(HISTORY) for key in order}
    with (chosen.out / "recipe.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["recipe", "conv", "step", "seconds", "psnr", "ssim"])
        for (recipe, conv), rows in histories.items():
            table.writerows([recipe, conv, *(row[name] for name in ("step", "seconds", "psnr", "ssim"))] for row in rows)
    draw(histories, chosen.out / "recipe.png")
    for conv in FAMILIES:
        print(verdict(conv, histories["paper", conv], histories["default", conv]))


def train(out: Path, recipe: str, conv: str, data: list[str]) -> None:
    """Train one of them, or go on."""
    words = [*RECIPES[recipe], *data, f"conv={conv}", f"run_dir={out / f'{recipe}-{conv}'}"]
    command = [sys.executable, "-W", "ignore", "-m", "ctrecon", "train", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})


def verdict(conv: str, paper: list[dict[str, str]], default: list[dict[str, str]]) -> str:
    """When the default recipe first is as good as the paper's at its end, and as good as its best validation."""
    said = []
    for name, goal in (("at its end", float(paper[-1]["psnr"])), ("at its best", max(float(row["psnr"]) for row in paper))):
        first = next((row for row in default if float(row["psnr"]) >= goal), None)
        if first is None:
            said.append(f"{goal:.2f} dB, the paper's {name}, never")
            continue
        ratio = float(first["seconds"]) / float(paper[-1]["seconds"])
        said.append(f"{goal:.2f} dB, the paper's {name}, after {first['step']} steps, {ratio:.3f} of its time")
    best = max(float(row["psnr"]) for row in default)
    return f"{conv}: the default recipe reaches {'; '.join(said)}; and {best:.2f} dB in the end"


def draw(histories: dict[tuple[str, str], list[dict[str, str]]], path: Path) -> None:
    """Validation PSNR against seconds."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for (recipe, conv), rows in histories.items():
        seconds, values = ([float(row[name]) for row in rows] for name in ("seconds", "psnr"))
        axes.plot(
            seconds, values, {"plain": "C0", "c4": "C1"}[conv] + {"paper": "--", "default": "-"}[recipe], label=f"{recipe}, {conv}"
        )
    axes.set(xscale="log", xlabel="seconds (one thread, two trainings at a time)", ylabel="validation PSNR in dB")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
