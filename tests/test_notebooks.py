"""Notebooks run from top to bottom, are short, and keep their pictures."""

import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
FEWER = {  # a reader waits longer than a test
    r"fit\.steps=\d+": "fit.steps=4",
    r"fit\.validate_every=\d+": "fit.validate_every=2",
    r"data\.test_size=\d+": "data.test_size=3",
    r"range\(400\)": "range(20)",
    r"ratios, random, worst = \[.*\], \[\], \[\]": "ratios, random, worst = [1.0, 1.99, 2.1], [], []",
    r"for seed in range\(5\)": "for seed in range(2)",
    r"range\(15, 91, 15\)": "range(45, 91, 45)",
}
FRESH = """
import os, torch, ctrecon.evidence.bootstrap
os.chdir({folder!r})
torch.set_grad_enabled(True)
ctrecon.evidence.bootstrap.SAMPLES = 100
%reset -f
"""


@pytest.fixture(scope="module")
def kernel():
    """One real kernel for all: loading torch takes longer than most notebooks."""
    manager, client = start_new_kernel()
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_notebook_runs(path, kernel, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert len(notebook.cells) <= 8
    assert any(o.output_type == "display_data" for c in notebook.cells if c.cell_type == "code" for o in c.outputs)
    (tmp_path / "results").symlink_to(path.parent / "results")
    for cell in notebook.cells:
        for words, fewer in FEWER.items():
            cell.source = re.sub(words, fewer, cell.source)
    manager, client = kernel
    client.execute_interactive(FRESH.format(folder=str(tmp_path)), timeout=60)
    runner = NotebookClient(notebook, km=manager, timeout=300)
    runner.kc = client
    runner.execute()
    shown = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if o.output_type == "display_data"]
    assert shown, "it draws nothing"


def test_every_shortening_applies_somewhere():
    everything = "\n".join(path.read_text() for path in NOTEBOOKS)
    assert all(re.search(words, everything) for words in FEWER)
