"""Run folders that earlier versions wrote still open. `written_before/c4` is one of version 0.1.0: experiment=smoke conv=c4, evaluated."""

import csv
import shutil
from pathlib import Path

import pytest
from conftest import inside

from ctrecon.config.experiment import model_of
from ctrecon.evidence.comparison import read
from ctrecon.runs.results import METRICS
from ctrecon.runs.run import Run

WRITTEN = Path(__file__).parent / "written_before" / "c4"


@pytest.fixture
def old(tmp_path):
    """A copy of it, as runs/c4/0."""
    return Run(shutil.copytree(WRITTEN, tmp_path / "runs" / "c4" / "0"))


def test_training_it_again_says_that_it_is_done(old, tmp_path, capsys):
    inside("train", "experiment=smoke", "conv=c4", "run_dir=runs/c4/0", "device=cpu", cwd=tmp_path)
    assert "done already" in capsys.readouterr().out


def test_its_model_gives_the_images_that_it_gave(old, tmp_path):
    inside("evaluate", "run=runs/c4/0", "turns=[0,90]", "out=again/c4/0", "certificate=false", cwd=tmp_path)
    rows = [list(csv.DictReader(path.open())) for path in (WRITTEN / METRICS, tmp_path / "again" / "c4" / "0" / METRICS)]
    assert len(rows[0]) == len(rows[1]) == 6
    for before, after in zip(*rows, strict=True):
        assert before.keys() == after.keys() and before["image"] == after["image"]
        assert float(after["psnr"]) == pytest.approx(float(before["psnr"]), abs=1e-3)


def test_it_compares_with_a_new_evaluation(old, tmp_path):
    inside("evaluate", f"run={old.path}", "turns=[0,90]", f"out={tmp_path}/new", "certificate=false", cwd=tmp_path)
    old_names = read([str(old.path), str(tmp_path / "new")]).names
    assert len(old_names) == 2


def test_its_configuration_builds_the_model_of_its_weights(old):
    assert (
        sum(p.numel() for p in model_of(str(old.path), [])[1].parameters()) == Run(WRITTEN).read_json("metrics.json")["parameters"]
    )
