"""Training: resumes as if never stopped, and keeps the best weights."""

import csv
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from ctrecon.build import model_of
from ctrecon.configure import compose, plain
from ctrecon.errors import InputError
from ctrecon.launch import train_run
from ctrecon.ode.block import Block
from ctrecon.run import HISTORY, WEIGHTS, Run
from ctrecon.train import Fit, _indices

WORDS = ["experiment=smoke", "data.size=32"]


def fitted(folder, *words):
    return train_run(plain(compose([*WORDS, *words])) | {"run_dir": str(folder)})


def test_run_folder_is_complete_and_done_is_done(tmp_path, capsys):
    run = fitted(tmp_path / "a")
    assert {p.name for p in run.path.iterdir()} >= {"config.yaml", WEIGHTS, "resume.pt", HISTORY, "environment.json"}
    before = (run / WEIGHTS).stat().st_mtime_ns
    fitted(tmp_path / "a")
    assert "done already" in capsys.readouterr().out and (run / WEIGHTS).stat().st_mtime_ns == before


def test_weights_kept_are_the_best_of_the_history(tmp_path):
    """With a rate that ruins it in the end, the run keeps what a run stopped at its best validation would have."""
    words = ("fit.validate_every=1", "fit.schedule=constant", "fit.lr=0.3")
    ruined = fitted(tmp_path / "long", *words, "fit.steps=6")
    scores = [float(row["psnr"]) for row in ruined.read_rows(HISTORY)]
    best = scores.index(max(scores))
    assert best < len(scores) - 1
    stopped = fitted(tmp_path / "short", *words, f"fit.steps={best + 1}")
    one, other = load_file(stopped / WEIGHTS), load_file(ruined / WEIGHTS)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_configuration_in_the_same_folder_is_refused(tmp_path):
    fitted(tmp_path / "a")
    with pytest.raises(InputError, match=r"fit\.lr: 0\.001 there, 0\.1 here"):
        fitted(tmp_path / "a", "fit.lr=0.1")


def test_nothing_is_written_when_the_data_is_too_small(tmp_path):
    with pytest.raises(InputError, match="train_size"):
        fitted(tmp_path / "a", "data.train_size=10000000")
    assert not (tmp_path / "a").exists()


def test_divergence_is_told(tmp_path):
    with pytest.raises(InputError, match="loss is"):
        fitted(tmp_path / "a", "fit.lr=1e18", "fit.schedule=constant")


def test_every_epoch_sees_every_pair_once():
    drawn = [i for step in range(15) for i in _indices(5, 2, step, seed=3)]
    assert all(sorted(drawn[k : k + 5]) == [0, 1, 2, 3, 4] for k in range(0, 30, 5))
    assert drawn[:5] != drawn[5:10] or drawn[:5] != drawn[10:15]


@pytest.mark.parametrize("values", [{"steps": 0}, {"batch": 0}, {"lr": 0.0}, {"schedule": "steep"}], ids=str)
def test_impossible_fits_are_refused(values):
    with pytest.raises(InputError, match="fit"):
        Fit(**values)


STATEFUL = {
    "nonexpansive": ["field=gradient_flow", "block=nonexpansive", "block.time=10"],  # directions of norms
    "averaged": ["cell=averaged", "field=gradient_flow", "block=nonexpansive", "model.memory=0", "optimizer=stiefel"],
    "relativistic": ["optimizer=relativistic", "fit.lr=0.1", "field=hamiltonian", "integrator=leapfrog", "block=reversible"],
    "varying": ["block.shared=false", "block.steps=2", "fit.time_regularisation=0.01", "optimizer=adamw"],
}


@pytest.mark.parametrize("name", STATEFUL)
def test_resumed_ends_as_if_never_stopped(name, tmp_path, monkeypatch):
    """Stopped after its first validation: weights, and what is kept beside them, are the same to the last bit."""
    words = [*STATEFUL[name], "fit.steps=6", "fit.validate_every=2"]
    whole = fitted(tmp_path / "whole", *words)

    class Stopped(Exception):
        pass

    def stop(run, state, save=Run.save_state):
        save(run, state)
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Run, "save_state", stop)
        fitted(tmp_path / "stopped", *words)
    resumed = fitted(tmp_path / "stopped", *words)
    ends = [run.load_state() for run in (whole, resumed)]
    assert ends[0]["step"] == ends[1]["step"] == 6 and ends[0]["buffers"].keys() == ends[1]["buffers"].keys()
    for one, other in zip(ends[0]["parameters"], ends[1]["parameters"], strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(ends[0]["buffers"][key], ends[1]["buffers"][key]) for key in ends[0]["buffers"])
    if name in ("nonexpansive", "averaged"):
        assert any("directions" in key for key in ends[0]["buffers"])


def test_time_regularisation_makes_weights_change_less(tmp_path):
    words = ["block.shared=false", "block.steps=3", "fit.steps=30", "fit.validate_every=30", "fit.lr=0.01"]
    rough = []
    for weight in (0.0, 10.0):
        run = fitted(tmp_path / str(weight), *words, f"fit.time_regularisation={weight}")
        model = model_of(str(run.path), [])[1]
        rough.append(sum(block.roughness().item() for block in model.modules() if isinstance(block, Block)))
    assert rough[1] < 0.5 * rough[0]
    with pytest.raises(InputError, match=r"block\.shared=false"):
        fitted(tmp_path / "c", "fit.time_regularisation=1.0")
    with pytest.raises(InputError, match="time_regularisation"):
        Fit(time_regularisation=-1.0)


def test_killed_at_random_moments_ends_with_the_same_weights(tmp_path):
    """SIGKILL three times, at moments spread over the whole training, against a run that was never stopped."""
    words = ["experiment=smoke", "data.size=32", "fit.steps=60", "fit.validate_every=2"]
    command = [sys.executable, "-W", "ignore", "-m", "ctrecon", "train", *words]
    whole = subprocess.run([*command, f"run_dir={tmp_path / 'whole'}"], capture_output=True, text=True, check=True)
    assert "resuming" not in whole.stdout
    draw, resumed, kills = random.Random(0), "", 0
    for part in (0, 1, 2):
        process = subprocess.Popen([*command, f"run_dir={tmp_path / 'killed'}"], stdout=subprocess.PIPE, text=True)
        # Wait until this attempt has validated a few times, then strike at any moment after.
        for _ in range(1 + draw.randrange(4 + 3 * part)):
            resumed += process.stdout.readline()
        time.sleep(draw.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    last = subprocess.run([*command, f"run_dir={tmp_path / 'killed'}"], capture_output=True, text=True, check=True)
    assert "resuming at step" in last.stdout
    one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "killed"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    histories = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader((tmp_path / name / HISTORY).open())]
        for name in ("whole", "killed")
    ]
    assert histories[0] == histories[1] and len(histories[0]) == 30
