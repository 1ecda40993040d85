"""An evaluation: what it writes is of the model in evaluation mode, on the test images, by the definitions."""

import csv
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from conftest import experiment, inside
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ctrecon.config.experiment import model_of
from ctrecon.data.augment import Pose
from ctrecon.errors import InputError
from ctrecon.evidence.bootstrap import estimate
from ctrecon.measure import evaluation
from ctrecon.measure.evaluation import KEPT, seconds_per_step
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.runs.results import EXAMPLES, METRICS, Results
from ctrecon.runs.run import HISTORY, Run

WORDS = [
    "experiment=smoke",
    "conv=plain",
    "field=gradient_flow",
    "block=nonexpansive",
    "fit.steps=2",
    "fit.validate_every=2",
    "device=cpu",
]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A run whose model is another one in training mode: its norms are followed, not exact."""
    folder = tmp_path_factory.mktemp("evaluated")
    inside("train", *WORDS, "data.test_size=4", "run_dir=a/0", cwd=folder)
    inside("evaluate", "run=a/0", "turns=[0,90,30]", "certificate=false", cwd=folder)
    return folder / "a" / "0"


def test_examples_are_what_the_model_gives(evaluated):
    experiment, model = model_of(str(evaluated), [])
    pairs, model = experiment.pairs("test"), model.eval()
    with h5py.File(evaluated / EXAMPLES) as file:
        kept = {name: file[name][:] for name in file}
    assert kept["turn"].tolist() == [0] * KEPT + [90] * KEPT + [30] * KEPT and kept["image"].tolist() == [*pairs.rows[:KEPT]] * 3
    for k, turn in enumerate(kept["turn"]):
        truth, y = pairs.pair(k % KEPT, Pose(turn.item()))
        with torch.no_grad():
            assert np.array_equal(kept["reconstruction"][k], model(y)[0, 0].numpy())
        assert np.array_equal(kept["truth"][k], truth[0, 0].numpy())
        assert np.array_equal(kept["fbp"][k], FilteredBackProjection(experiment.geometry, "hann")(y)[0, 0].numpy())


def test_metrics_are_those_of_the_examples(evaluated):
    rows = list(csv.DictReader((evaluated / METRICS).open()))
    assert len(rows) == 12 and [row["turn"] for row in rows] == ["0"] * 4 + ["90"] * 4 + ["30"] * 4
    with h5py.File(evaluated / EXAMPLES) as file:
        pairs = list(zip(file["truth"][:].astype(float), file["reconstruction"][:].astype(float), strict=True))
    for (truth, x), row in zip(pairs, [row for k, row in enumerate(rows) if k % 4 < KEPT], strict=True):
        span = np.ptp(truth)
        expected = {
            "psnr": peak_signal_noise_ratio(truth, x, data_range=span),
            "ssim": structural_similarity(truth, x, data_range=span),
            "psnr_paper": peak_signal_noise_ratio(truth, x, data_range=truth.max()),
            "ssim_paper": structural_similarity(truth, x, data_range=2.0),
            "ssim_fr": structural_similarity(truth, x, data_range=1.0),
            "rmse_hu": 1000 * 81.35858 / 20 * np.sqrt(np.mean((truth - x) ** 2)),
        }
        window = [np.clip(1000 * (81.35858 / 20 * one - 1), -1000, 400) for one in (truth, x)]
        expected["psnr_window"] = peak_signal_noise_ratio(*window, data_range=1400)
        expected["ssim_window"] = structural_similarity(*window, data_range=1400)
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(value, rel=1e-5), name


def test_summary_is_that_of_the_metrics(evaluated):
    summary, rows = Results(evaluated).summary(), list(csv.DictReader((evaluated / METRICS).open()))
    for turn in ("0", "90", "30"):
        chosen = [row for row in rows if row["turn"] == turn]
        expected = estimate([[float(row["ssim"]) for row in chosen]], [row["patient"] for row in chosen])
        assert summary["metrics"][turn]["ssim"] == pytest.approx(expected.as_dict())
    assert summary["undefined"] == {} and summary["test"]["images"] == 4 and summary["test"]["turns"] == [0, 90, 30]
    assert summary["run"] == "a/0" and summary["seconds_per_image"] > 0 and summary["fitting"] == "weights"
    status = Run(evaluated).status()
    made = {"images": 4, "steps": 2, "lr": 0.003, "seed": 0}
    assert summary["training"] == made | {"validation_psnr": status["best"], "validation_held_out": None}
    last = Run(evaluated).read_rows(HISTORY)[-1]
    assert summary["seconds_per_step"] == seconds_per_step(Run(evaluated)) == float(last["seconds"]) / 2


def test_seconds_are_those_of_an_image_and_of_a_step(evaluated, tmp_path, monkeypatch):
    """By a clock that is a second further each time that somebody looks at it."""
    clock = SimpleNamespace(perf_counter=iter(range(1000)).__next__)
    monkeypatch.setattr(evaluation, "time", clock)
    inside("evaluate", f"run={evaluated}", "turns=[0]", f"out={tmp_path}/timed", "certificate=false", cwd=tmp_path)
    assert Results(tmp_path / "timed").summary()["seconds_per_image"] == 1
    run = Run(tmp_path)
    assert seconds_per_step(run) is None
    for rows, expected in (("", None), ("0,3.0\n", None), ("1,3.0\n4,10.0\n", 2.5)):
        (tmp_path / HISTORY).write_text(f"step,seconds\n{rows}")
        assert seconds_per_step(run) == expected
    for damaged in ("step,seconds\n1,x\n", "step,seconds\nx,1\n", "step,loss\n1,2\n"):
        (tmp_path / HISTORY).write_text(damaged)
        with pytest.raises(InputError, match="damaged"):
            seconds_per_step(run)


def test_a_scan_that_filtered_back_projection_refuses_is_measured_without_its_pictures(tmp_path):
    """A fan on two arcs: the pictures have no FBP beside them, and nothing else is missing."""
    arcs = [*range(0, 30, 2), *range(120, 150, 2)]
    e = experiment(
        "geometry=fan_short",
        "geometry.pixels=16",
        "geometry.bins=24",
        "geometry.views=null",
        "geometry.step_deg=null",
        f"geometry.angles_deg={arcs}",
        "model=cgls",
    )
    with pytest.raises(InputError, match="2 separate arcs"):
        FilteredBackProjection(e.geometry, "hann")
    reconstruct = evaluation.by_model(e.model(), torch.device("cpu"))
    evaluation.evaluate(reconstruct, e.pairs("test"), [0], Results(tmp_path), {})
    with h5py.File(tmp_path / EXAMPLES) as file:
        assert sorted(file) == ["image", "reconstruction", "truth", "turn"] and len(file["truth"]) == 2
    assert {"psnr", "ssim", "rmse_hu"} <= set(Results(tmp_path).summary()["metrics"]["0"])


def test_a_mean_over_turns_is_measured_as_such(evaluated, tmp_path):
    out = tmp_path / "averaged"
    inside("evaluate", f"run={evaluated}", "averaged=true", "turns=[0,90]", f"out={out}", "certificate=false", cwd=tmp_path)
    rows = list(csv.DictReader((out / METRICS).open()))
    upright, turned = ([float(row["psnr"]) for row in rows if row["turn"] == turn] for turn in ("0", "90"))
    assert upright == pytest.approx(turned, abs=1e-3)


def test_images_smaller_than_the_window_of_ssim_are_refused(evaluated, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("evaluate", f"run={evaluated}", "geometry.pixels=6", f"out={tmp_path}/x", cwd=tmp_path)
    assert ended.value.code == 2 and "expected at least 7" in capsys.readouterr().err


@pytest.mark.parametrize("turns", ["[]", "[nan]", "[true]", "[upright]"])
def test_turns_that_are_no_angles_are_refused(evaluated, tmp_path, turns, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("evaluate", f"run={evaluated}", f"turns={turns}", f"out={tmp_path}/x", cwd=tmp_path)
    assert ended.value.code == 2 and "turns" in capsys.readouterr().err and not (tmp_path / "x").exists()
