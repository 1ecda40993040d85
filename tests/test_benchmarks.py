"""The benchmarks run."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_slices

HERE = Path(__file__).parent / "benchmarks"
TINY = ["fit.steps=4", "fit.validate_every=2", "conv.channels=8", "model.iterations=2"]

RACE = ["--budgets", "0.02", "--rates", "1e-3", "--contestants", "flow-c4", "unet-plain"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["projector.py", "--sizes", "32", "--batches", "2"], "| ctrecon matrix |"),
        (["structure.py", "--pixels", "16", "--rounds", "1"], "| residual | 65,150 | 1.00 |"),
        (
            ["recipe.py", "slices.h5", "--pixels", "32", "--train-size", "2", "--val-size", "1", "--words", *TINY],
            "c4: the default recipe reaches",
        ),
        (
            [*("race.py", "slices.h5", "--pixels", "32", "--train-size", "2", "--val-size", "1"), *RACE],
            "| flow-c4",
        ),
        (
            [
                "coarse_to_fine.py",
                "slices.h5",
                "--pixels",
                "32",
                "--train-size",
                "2",
                "--val-size",
                "1",
                "--steps",
                "4",
                "--words",
                "conv.channels=8",
                "network.levels=1",
            ],
            "| coarse to fine |",
        ),
        (["zoo.py", "slices.h5", "--pixels", "48", "--val-size", "1", "--scans", "33 views"], "33 views, 48 x 48"),
        (["total_variation.py", "--pixels", "32", "--images", "1", "--iterations", "20"], "| times as fast |"),
    ],
)
def test_benchmark_runs(words, said, tmp_path):
    write_slices(tmp_path / "slices.h5", ["a", "b", "c", "d"], ["train", "train", "val", "test"])
    command = [sys.executable, HERE / words[0], *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said in done.stdout
