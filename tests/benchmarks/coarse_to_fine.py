"""How much time a training on large images saves that begins on small ones: `scans=coarse_to_fine` against the same steps on the large ones.

python tests/benchmarks/coarse_to_fine.py slices.h5 --pixels 256 --steps 400 --out FOLDER

Both trainings run one after the other with one thread; a training cut short would have another schedule, so each has several lengths. Written: csv and
md of seconds and validation PSNR at the large size, and for each length of the direct training how long coarse to fine takes to be as good.
"""

import argparse
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

from ctrecon.disk.table import as_markdown
from ctrecon.runs.run import Run


def main() -> None:
    """Train what is not trained, then set side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="HDF5 slices")
    parser.add_argument("--out", type=Path, default=Path("runs/coarse_to_fine"))
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--train-size", type=int, default=100)
    parser.add_argument("--val-size", type=int, default=10)
    parser.add_argument("--steps", type=int, nargs="+", default=[200, 400])
    parser.add_argument("--words", nargs="*", default=["model=unrolled", "model.iterations=5", "conv.channels=24"])
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    grids = [chosen.pixels // 4, chosen.pixels // 2]
    ways = {"direct": [], "coarse to fine": ["scans=coarse_to_fine", f"scans.pixels=[{grids[0]},{grids[1]}]"]}
    rows = [train(chosen, way, words, steps) for steps in sorted(chosen.steps) for way, words in ways.items()]
    for row in rows:
        quick = [float(one["seconds"]) for one in rows if one["way"] != "direct" and float(one["PSNR"]) >= float(row["PSNR"])]
        row["coarse to fine is as good after"] = (
            f"{min(quick) / float(row['seconds']):.2f} of it" if quick and row["way"] == "direct" else ""
        )
    with (chosen.out / "coarse_to_fine.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    (chosen.out / "coarse_to_fine.md").write_text(as_markdown(rows) + "\n")
    print(as_markdown(rows))


def train(chosen: argparse.Namespace, way: str, words: list[str], steps: int) -> dict[str, str]:
    """A row: a training of so many steps, its seconds without the start of the process, and its validation PSNR."""
    run = chosen.out / f"{way.replace(' ', '_')}-{steps}" / "0"
    data = ["geometry=sparse_50", f"geometry.pixels={chosen.pixels}", "data=slices", f"data.file={chosen.file.resolve()}"]
    data += [
        f"data.train_size={chosen.train_size}",
        f"data.val_size={chosen.val_size}",
        f"fit.steps={steps}",
        f"fit.validate_every={steps}",
        f"run_dir={run}",
    ]
    command = [sys.executable, "-W", "ignore", "-m", "ctrecon", "train", *data, *chosen.words, *words, "device=cpu"]
    before = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    row = Run(run).read_rows("history.csv")[-1]
    print(f"{way}, {steps} steps: {row['psnr']} dB, {time.monotonic() - before:.0f} s", flush=True)
    return {"way": way, "steps": f"{steps}", "seconds": f"{float(row['seconds']):.1f}", "PSNR": f"{float(row['psnr']):.2f}"}


if __name__ == "__main__":
    main()
