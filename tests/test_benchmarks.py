"""The benchmarks run."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["projector.py", "--sizes", "32", "--batches", "2"], "| ctrecon matrix |"),
        (["structure.py", "--pixels", "16", "--rounds", "1"], "| residual | 65,150 | 1.00 |"),
        (["total_variation.py", "--pixels", "32", "--images", "1", "--iterations", "20"], "| times as fast |"),
    ],
)
def test_benchmark_runs(words, said):
    done = subprocess.run([sys.executable, HERE / words[0], *words[1:]], capture_output=True, text=True, check=True)
    assert said in done.stdout
