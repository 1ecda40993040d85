"""A classical model's one number: the search says how far it is, and stops in the middle of a trial."""

import math
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import inside

from ctrecon.fitting.validate import batched
from ctrecon.machine.interrupt import STOPPED
from ctrecon.models.least_squares import Tikhonov
from ctrecon.models.tv import TV
from ctrecon.runs.run import HISTORY, STATUS, Run

WORDS = ["train", "model=tv", "geometry=tiny", "data.size=32"]


def test_a_search_says_how_far_it_is_and_stops_within_a_trial(tmp_path):
    """In a real process, which has minutes to go."""
    words = [*WORDS, "data.val_size=128", "model.iterations=5000"]
    command = [sys.executable, "-W", "ignore", "-m", "ctrecon", *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as training:
        lines = [training.stdout.readline() for _ in range(4)]
        assert "128 validation images of 128 patients; Parallel scan of 16 views x 46 bins" in lines[0]
        assert "TV, 1 parameter, on cpu" in lines[1] and "at most 14 trials of weight" in lines[2]
        assert "/1792  at most" in lines[3] and lines[3].endswith("s left\n")
        training.send_signal(signal.SIGTERM)
        rest = training.communicate(timeout=100)[0]
    run = Run(tmp_path / "runs/tv/0")
    assert training.returncode == STOPPED and "stopped in trial" in rest
    done = int(rest.rpartition("stopped in trial ")[2].split(",")[0]) - 1
    assert run.status()["state"] == "stopped" and run.status()["step"] == done < 14
    assert (len(run.read_rows(HISTORY)) if done else 0) == done


def test_status_of_a_search_counts_its_trials(tmp_path, capsys):
    inside(*WORDS, "data.val_size=2", "model.iterations=3", cwd=tmp_path)
    rows = Run(tmp_path / "runs/tv/0").read_rows(HISTORY)
    trials, (low, high) = len(rows), (math.log10(bound) for bound in TV.bounds)
    first = low + (3 - math.sqrt(5)) / 2 * (high - low)  # the golden section of the bounds' logarithms, as Brent's method begins
    assert math.log10(float(rows[0]["weight"])) == pytest.approx(first, abs=1e-4)
    assert f"at most {14} trials" in capsys.readouterr().out and 3 < trials <= 14
    inside("status", cwd=tmp_path)
    assert f"| {trials}/{trials} " in capsys.readouterr().out


def test_a_stopped_search_leaves_in_its_folder_that_it_is_stopped_and_the_best_so_far(tmp_path, monkeypatch, capsys):
    """The signal comes in the fourth trial, when a later reader of the folder, who sees no process, has to know from the file alone."""
    forward, calls = Tikhonov.forward, iter(range(100))

    def and_signal(model, y):
        if next(calls) == 3:  # one a trial: both validation images go through at once
            os.kill(os.getpid(), signal.SIGTERM)
        return forward(model, y)

    clock = SimpleNamespace(perf_counter=iter(range(1000)).__next__)  # a second further each time that somebody looks
    monkeypatch.setattr("ctrecon.fitting.tune.time", clock)
    words = ["train", "model=tikhonov", *WORDS[2:], "data.val_size=2", "run_dir=a"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(Tikhonov, "forward", and_signal)
        inside(*words, cwd=tmp_path)
    run = Run(tmp_path / "a")
    scores = [float(row["psnr"]) for row in run.read_rows(HISTORY)]
    assert ended.value.code == STOPPED and len(scores) == 3 and max(scores) > scores[-1]
    kept = run.read_json(STATUS)
    assert (kept["state"], kept["step"], kept["steps"], kept["best"]) == ("stopped", 3, 14, max(scores))
    said = capsys.readouterr().out
    assert "stopped in trial 4" in said and "constant" not in said  # no image is, and nothing is said of them
    assert [float(row["seconds"]) for row in run.read_rows(HISTORY)] == [1, 2, 3]
    inside(*words, cwd=tmp_path)
    assert run.done() and [float(row["psnr"]) for row in run.read_rows(HISTORY)][:3] == scores
    assert float(run.read_rows(HISTORY)[3]["seconds"]) == 4  # those before the stop count, the pause does not


def test_no_more_pixels_go_through_the_model_at_a_time_than_are_allowed(tmp_path, monkeypatch):
    sizes, forward = [], Tikhonov.forward
    monkeypatch.setattr("ctrecon.fitting.tune.TOGETHER", 2 * 32**2)
    monkeypatch.setattr(Tikhonov, "forward", lambda model, y: sizes.append(len(y)) or forward(model, y))
    inside("train", "model=tikhonov", *WORDS[2:], "data.val_size=3", cwd=tmp_path)
    assert sizes == [2, 1] * (len(sizes) // 2)


@pytest.mark.parametrize(("count", "size", "groups"), [(5, 2, [(0, 1), (2, 3), (4,)]), (2, 4, [(0, 1)]), (0, 3, [])])
def test_items_go_in_groups(count, size, groups):
    assert list(batched(range(count), size)) == groups
