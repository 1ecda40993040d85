"""The run folder: what it refuses and what it never loses."""

import multiprocessing

import pytest
import torch
from torch import nn

from ctrecon.errors import InputError
from ctrecon.runs.run import CONFIG, PREVIOUS, RESUME, STATUS, WEIGHTS, Run


def _hold(path, ready, release):
    with Run(path).claimed():
        ready.set()
        release.wait(30)


def test_second_writer_is_refused_until_the_first_ends(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, ready, release))
    other.start()
    assert ready.wait(60)
    with pytest.raises(InputError, match="another process"), Run(tmp_path).claimed():
        pass
    other.kill()  # the lock dies with its process
    other.join()
    with Run(tmp_path).claimed():
        pass


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    run = Run(tmp_path)
    run.begin({"fit": {"steps": 1}, "seed": 0}, {}, {})
    run.begin({"fit": {"steps": 1}, "seed": 0}, {}, {})
    with pytest.raises(InputError, match=r"fit\.steps: 1 there, 2 here"):
        run.begin({"fit": {"steps": 2}, "seed": 0}, {}, {})
    assert run.config() == {"fit": {"steps": 1}, "seed": 0}


def test_weights_are_parameters_only_and_checked(tmp_path):
    run, model = Run(tmp_path), nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    run.save_weights(model)
    other = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    run.load_weights(other)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(InputError, match=r"another model \(0\.bias: shape \(2,\) there, shape \(3,\) here\): leave out"):
        run.load_weights(nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)))
    (run / WEIGHTS).write_bytes((run / WEIGHTS).read_bytes()[:40])
    with pytest.raises(InputError, match="damaged"):
        run.load_weights(other)


def test_damaged_or_executable_state_is_passed_over(tmp_path, capsys):
    """What was kept before it is taken; where that is damaged too, nothing is."""
    run = Run(tmp_path)
    assert run.load_state() is None
    run.save_state({"step": 2})
    run.save_state({"step": 3, "history": [{"psnr": 1.0}]})
    assert run.load_state() == {"step": 3, "history": [{"psnr": 1.0}]}
    (run / RESUME).write_bytes((run / RESUME).read_bytes()[:100])
    assert run.load_state() == {"step": 2} and "damaged" in capsys.readouterr().out
    (run / RESUME).unlink()  # killed between the two
    assert run.load_state() == {"step": 2}
    torch.save({"f": nn.Linear(1, 1)}, run / PREVIOUS)  # a pickled object
    assert run.load_state() is None and "damaged" in capsys.readouterr().out


def test_status_is_what_was_reported_last(tmp_path):
    run = Run(tmp_path)
    assert run.status()["state"] == "waiting" and not run.done()
    run.begin({"seed": 0}, {}, {"train": ["a"], "val": []}, steps=10, images=3)
    assert run.patients() == {"train": ["a"], "val": []}
    with run.claimed():
        run.report("running", step=4, best=20.0)
        reported = {"step": 4, "steps": 10, "images": 3, "best": 20.0, "held_out": None}
        assert run.status() == reported | {"state": "running", "error": None}
    assert run.status()["state"] == "stopped"  # nobody holds the folder
    run.fail(OSError("no space\nleft"))
    assert run.status() == reported | {"state": "failed", "error": "no space left"}
    run.begin({"seed": 0}, {}, {}, steps=10, images=3)
    assert run.status()["error"] is None and run.status()["step"] == 4
    run.finish(nn.Linear(1, 1), [{"step": 0, "psnr": 1.0}], {"best": 1.0})
    assert run.done() and run.status()["steps"] is None and run.status()["best"] == 1.0
    (run / STATUS).write_text('{"state": "do')
    assert run.status()["state"] == "waiting" and not run.done()


def test_folders_that_are_no_runs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no config\.yaml"):
        Run(tmp_path).config()
    (tmp_path / CONFIG).write_text("a: [")
    with pytest.raises(InputError, match="YAML"):
        Run(tmp_path).config()
    (tmp_path / CONFIG).write_text("word")
    with pytest.raises(InputError, match="expected the configuration"):
        Run(tmp_path).config()
