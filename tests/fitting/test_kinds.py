"""What of a model is fitted, weights, a number or nothing, is one question with one answer; images without a PSNR do not lose a run."""

import csv

import h5py
import numpy as np
import pytest
import torch
from conftest import experiment, inside, write_slices
from safetensors.torch import load_file

from ctrecon.errors import InputError
from ctrecon.evidence.comparison import read
from ctrecon.models.fitting import Fitting
from ctrecon.models.orbit_mean import OrbitMean
from ctrecon.report.figures import suited
from ctrecon.runs.listing import table
from ctrecon.runs.results import METRICS, Results
from ctrecon.runs.run import CONFIG, HISTORY, RESUME, WEIGHTS, Run

TINY = ["geometry=tiny", "device=cpu", "data.size=32", "data.train_size=3", "data.val_size=2", "data.test_size=2"]
KIND = {"fbp": Fitting.NOTHING} | dict.fromkeys(("tv", "cgls", "sirt", "tikhonov"), Fitting.NUMBER)  # every other model learns


def test_every_model_says_what_is_fitted(model):
    made = experiment(f"model={model}").model()
    assert made.fitting is KIND.get(model, Fitting.WEIGHTS) and OrbitMean(made).fitting is made.fitting
    assert (made.fitting is Fitting.WEIGHTS) == any(p.requires_grad for p in made.parameters())


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    inside("train", "model=tikhonov", *TINY, "run_dir=tikhonov/0", cwd=folder)
    inside("evaluate", "run=tikhonov/0", "certificate=false", cwd=folder)
    return Run(folder / "tikhonov" / "0")


def test_a_search_tells_its_trials_and_is_no_training_curve(searched):
    status = searched.status()
    assert status["state"] == "done" and status["steps"] == status["step"] == len(searched.read_rows(HISTORY)) > 3
    assert f"| {status['step']}/{status['step']} " in table([searched])
    assert "weight" in searched.read_rows(HISTORY)[0] and "training" not in suited(read([str(searched.path)]))


def test_a_search_knows_only_whom_it_was_chosen_by(searched):
    assert searched.patients()["train"] == [] and len(searched.patients()["val"]) == 2
    summary = Results(searched.path).summary()
    assert summary["fitting"] == "a number" and summary["training"] == {} and summary["seconds_per_step"] is None


def test_a_search_is_not_shared_among_processes(tmp_path):
    with pytest.raises(SystemExit) as ended:
        inside("train", "model=tikhonov", *TINY, "devices=2", "run_dir=a", cwd=tmp_path)
    assert ended.value.code == 2 and not (tmp_path / "a").exists()


@pytest.fixture
def slices(tmp_path):
    """Nine patients, one of each split with an empty slice."""
    path = write_slices(tmp_path / "slices.h5", [f"P{k}" for k in range(9)], ["train"] * 3 + ["val"] * 3 + ["test"] * 3, size=32)
    with h5py.File(path, "r+") as file:
        for row in (0, 4, 7):
            file["images"][row] = -1000
    return path


def words(slices, *more):
    return [
        "experiment=smoke",
        "data=slices",
        f"data.file={slices}",
        *(f"data.{part}_size=3" for part in ("train", "val", "test")),
        *more,
    ]


def test_an_empty_slice_loses_neither_training_nor_comparison(slices, tmp_path, capsys):
    for conv in ("plain", "c4"):
        inside("train", *words(slices, f"conv={conv}", f"run_dir={conv}/0", "device=cpu"), cwd=tmp_path)
        assert "1 of 3 validation images are constant" in capsys.readouterr().out
        run = Run(tmp_path / conv / "0")
        assert run.done() and 0 < run.status()["best"] < 100
        inside("evaluate", f"run={conv}/0", "turns=[0,90]", "certificate=false", cwd=tmp_path)
        assert "psnr: undefined for 2 measurements of constant images" in capsys.readouterr().out
        rows = list(csv.DictReader((run / METRICS).open()))
        assert [row["image"] for row in rows if not row["psnr"]] == ["7", "7"] and all(row["rmse_hu"] for row in rows)
        mean = np.mean([float(row["psnr"]) for row in rows if row["turn"] == "0" and row["psnr"]])
        assert Results(run.path).summary()["metrics"]["0"]["psnr"]["mean"] == pytest.approx(mean)
    comparison = read([str(tmp_path / "plain"), str(tmp_path / "c4")])
    verdict = comparison.verdicts()[0]
    assert "nan" not in verdict and "2 measurements of constant images" in verdict and "over 2 images of 2 patients" in verdict


def test_only_empty_slices_are_refused_before_anything_is_written(slices, tmp_path, capsys):
    with h5py.File(slices, "r+") as file:
        file["images"][3:6] = -1000
    with pytest.raises(SystemExit) as ended:
        inside("train", *words(slices, "run_dir=a", "device=cpu"), cwd=tmp_path)
    assert ended.value.code == 2 and "all 3 validation images are constant" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_images_smaller_than_the_window_of_ssim_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("train", "experiment=smoke", "geometry.pixels=5", "run_dir=a", "device=cpu", cwd=tmp_path)
    assert ended.value.code == 2 and "expected at least 7" in capsys.readouterr().err and not (tmp_path / "a").exists()


def test_a_done_run_whose_weights_are_gone_trains_again_to_the_same(tmp_path, capsys):
    train = ("train", "experiment=smoke", "run_dir=a", "device=cpu")
    inside(*train, cwd=tmp_path)
    run = Run(tmp_path / "a")
    before = load_file(run / WEIGHTS)
    (run / WEIGHTS).unlink()
    assert (run / CONFIG).is_file() and (run / RESUME).is_file() and not run.done()
    inside(*train, cwd=tmp_path)
    after = load_file(run / WEIGHTS)
    assert "from the start" in capsys.readouterr().out and all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_that_gives_no_numbers_is_not_measured(tmp_path, capsys, monkeypatch):
    inside("train", "model=fbp", *TINY, "run_dir=fbp/0", cwd=tmp_path)
    monkeypatch.setattr("ctrecon.models.classical.FBP.forward", lambda self, y: torch.full((1, 1, 32, 32), torch.inf))
    with pytest.raises(SystemExit):
        inside("evaluate", "run=fbp/0", "certificate=false", cwd=tmp_path)
    assert "NaN or infinite" in capsys.readouterr().err and not (tmp_path / "fbp" / "0" / METRICS).exists()


def test_unexpected_errors_leave_a_failed_run(tmp_path, monkeypatch):
    monkeypatch.setattr("ctrecon.fitting.launch.descend", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        inside("train", "experiment=smoke", "run_dir=a", "device=cpu", cwd=tmp_path)
    assert Run(tmp_path / "a").status()["state"] == "failed"


def test_undefined_means_are_an_error():
    with pytest.raises(InputError, match="every test image is constant"):
        from ctrecon.measure.evaluation import summarise

        summarise([{"image": 0, "patient": "a", "turn": 0, "psnr": float("nan")}])
