"""Sweeps: whatever happens in between, the same command ends with every job done once."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import inside
from safetensors.torch import load_file

from ctrecon.machine.interrupt import STOPPED
from ctrecon.runs.run import HISTORY, RESUME, WEIGHTS, Run

SMALL = ["experiment=smoke", "data.size=32", "name=s", "fit.steps=6", "fit.validate_every=2"]
TWELVE = [*SMALL, "conv=plain,c4", "fit.lr=1e-3,1e-2", "seed=0,1,2"]
COMMAND = [sys.executable, "-W", "ignore", "-m", "ctrecon", "train", "-m"]


def start(*words, cwd, shell=""):
    command = ["bash", "-c", f'{shell}; exec "$@"', "bash", *COMMAND, *words] if shell else [*COMMAND, *words]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(process, words, times):
    """Read what a process says until it has said the words so often."""
    while times:
        line = process.stdout.readline()
        assert line, "it ended before"
        times -= words in line


def runs(here: Path) -> list[Run]:
    return [Run(p.parent) for p in sorted(here.glob("runs/*/*/config.yaml"))]


def done_at(here: Path) -> dict[str, int]:
    """When each job that is done was done."""
    return {str(run.path.relative_to(here)): (run / WEIGHTS).stat().st_mtime_ns for run in runs(here) if run.done()}


@pytest.mark.slow  # test_reproduce.py kills a sweep too
def test_twelve_jobs_survive_whatever_happens(tmp_path):
    """SIGKILL, SIGTERM, damaged states and a full disk in between: all done in the end, as if undisturbed, nothing done twice."""
    here, calm = tmp_path / "disturbed", tmp_path / "calm"
    here.mkdir(), calm.mkdir()
    with start(*TWELVE, cwd=here) as process:
        until(process, "step 2/6", 3)
        process.send_signal(signal.SIGKILL)
    done = done_at(here)
    assert 2 <= len(done) <= 3

    with start(*TWELVE, cwd=here) as process:
        until(process, "step 2/6", 3)
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    assert process.returncode == STOPPED, said
    done = done | {path: at for path, at in done_at(here).items() if path not in done}
    assert len(done) < 12 and done_at(here) == done

    for run in runs(here):  # of jobs that are done, and of the one that is half done
        (run / RESUME).write_bytes((run / RESUME).read_bytes()[:-200])
    with start(
        *TWELVE, cwd=here, shell="export PYTHONDONTWRITEBYTECODE=1; ulimit -f 8"
    ) as process:  # files may not grow past 8 kB: too small for a state
        said = process.stdout.read()
    assert (process.returncode == 1 and "failed" in said and "space" in said) or "large" in said, said
    assert done_at(here) == done
    states = [run.status()["state"] for run in runs(here)]
    assert states.count("failed") == 12 - len(done) and "12 jobs" in said

    with start(*TWELVE, cwd=here) as process:
        said = process.stdout.read()
    assert process.returncode == 0 and said.strip().endswith("12 done"), said
    assert len(runs(here)) == 12 and done.items() <= done_at(here).items()

    inside("train", "-m", *TWELVE, cwd=calm)
    for run in runs(calm):
        other = Run(here / run.path.relative_to(calm))
        one, two = load_file(run / WEIGHTS), load_file(other / WEIGHTS)
        assert all((one[name] == two[name]).all() for name in one)
        rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in r.read_rows(HISTORY)] for r in (run, other)]
        assert rows[0] == rows[1] and len(rows[0]) == 3


def test_failures_are_collected_and_the_others_go_on(tmp_path, capsys):
    words = [*SMALL, "conv=c4", "fit.lr=1e-3,1e30", "seed=0,1"]
    with pytest.raises(SystemExit) as ended:
        inside("train", "-m", *words, cwd=tmp_path)
    said = capsys.readouterr().out
    assert ended.value.code == 1 and "2 done, 2 failed" in said
    inside("status", "runs=runs/*", cwd=tmp_path)
    table = capsys.readouterr().out
    assert table.count("| done ") == 2 and table.count("the loss is nan") == 2 and "6/6" in table
    inside("status", "runs=runs/s-lr0.001/1", cwd=tmp_path)
    assert "1 done" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        inside("status", "runs=nowhere/*", cwd=tmp_path)
    assert "no run there" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        inside("train", "-m", *words, cwd=tmp_path)
    assert "4 jobs, 2 of them done already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["seed=0,1", "run_dir=here"], "two jobs of the sweep"),
        (["seed=0,1", "hydra/launcher=rocket"], "expected one of basic, joblib"),
        (["conv=plain,c9"], "expected one of c1"),
    ],
    ids=str,
)
def test_impossible_sweeps_are_refused_before_anything_starts(words, says, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        inside("train", "-m", *SMALL, *words, cwd=tmp_path)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and says in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_launcher_that_is_not_installed_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ctrecon.config.sweep.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        inside("train", "-m", *SMALL, "seed=0,1", "hydra/launcher=ray", cwd=tmp_path)
    assert "learned-ctrecon[ray]" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("srun") is not None, reason="this is a Slurm cluster")
def test_launcher_that_cannot_launch_is_told(tmp_path, capsys):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    with pytest.raises(SystemExit) as ended:
        inside("train", "-m", *SMALL, "seed=0,1", "hydra/launcher=submitit_slurm", cwd=tmp_path)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "slurm cluster" in error and error.count("\n") == 1


LAUNCHERS = {
    "joblib": ["hydra.launcher.n_jobs=2", "hydra.launcher.batch_size=2"],
    "submitit_local": ["hydra.launcher.timeout_min=10"],
    "ray": ["+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.init.include_dashboard=false"],
}


@pytest.mark.parametrize("name", ["joblib", *(pytest.param(name, marks=pytest.mark.slow) for name in ("submitit_local", "ray"))])
def test_jobs_in_other_processes(name, tmp_path, capfd):
    """A good one and a bad one through the real launcher, which gives both to one process: a second one would load torch too."""
    pytest.importorskip(f"hydra_plugins.hydra_{name.split('_')[0]}_launcher")
    words = [*SMALL, "conv=c4", "fit.lr=1e-3,1e30", f"hydra/launcher={name}", *LAUNCHERS[name]]
    with pytest.raises(SystemExit) as ended:
        inside("train", "-m", *words, cwd=tmp_path)
    assert ended.value.code == 1 and "1 done, 1 failed" in capfd.readouterr().out


@pytest.mark.slow
def test_job_that_submitit_queues_again_goes_on(tmp_path):
    """What Slurm's warning signal sets off: the job ends, comes again and resumes."""
    words = [*SMALL, "fit.steps=900", "fit.validate_every=50", "seed=0,1", "hydra/launcher=submitit_local"]
    with start(*words, cwd=tmp_path) as process:
        job = tmp_path / "runs/s/0"
        while not (job / RESUME).is_file():
            time.sleep(0.05)
        for one in psutil.Process(process.pid).children(recursive=True):
            if "submitit.core._submit" in one.cmdline():
                one.send_signal(signal.SIGUSR2)
        said = process.stdout.read()
    assert process.returncode == 0 and "2 done" in said, said
    logs = "".join(path.read_text() for path in tmp_path.rglob("*.out"))
    assert "resuming at step" in logs


@pytest.mark.slow
@pytest.mark.slow
def test_stopping_a_parallel_sweep_stops_its_jobs(tmp_path):
    """The signal is passed on: each keeps its last step."""
    words = [*SMALL, "fit.steps=4000", "fit.validate_every=2000", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    with start(*words, cwd=tmp_path) as process:
        while len([run for run in runs(tmp_path) if run.status()["state"] == "running"]) < 2:
            time.sleep(0.2)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == STOPPED
    deadline = time.monotonic() + 30
    while any(run.busy() for run in runs(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for run in runs(tmp_path):
        assert run.status()["state"] == "stopped" and 0 < run.load_state()["step"] < 4000
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]
