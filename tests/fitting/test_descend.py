"""Training: resumes as if never stopped, and keeps the best weights."""

import csv
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch
from conftest import experiment, inside
from safetensors.torch import load_file

from ctrecon.config.compose import compose
from ctrecon.config.experiment import model_of
from ctrecon.errors import InputError
from ctrecon.fitting.fit import SCHEDULES, Fit
from ctrecon.fitting.launch import train_run
from ctrecon.machine.interrupt import STOPPED, listening
from ctrecon.ode.block import Block
from ctrecon.optimizer.moving_average import MovingAverage
from ctrecon.runs.run import HISTORY, WEIGHTS, Run

WORDS = ["experiment=smoke", "data.size=32"]


def fitted(folder, *words):
    return train_run(compose([*WORDS, *words]) | {"run_dir": str(folder)})


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
    with pytest.raises(InputError, match=r"fit\.lr: 0\.003 there, 0\.1 here"):
        fitted(tmp_path / "a", "fit.lr=0.1")


def test_nothing_is_written_when_the_data_is_too_small(tmp_path):
    with pytest.raises(InputError, match="train_size"):
        fitted(tmp_path / "a", "data.train_size=10000000")
    assert not (tmp_path / "a").exists()


def test_divergence_is_told(tmp_path):
    with pytest.raises(InputError, match="loss is"):
        fitted(tmp_path / "a", "fit.lr=1e18", "fit.schedule=constant")


@pytest.mark.parametrize(
    "values",
    [{"steps": 0}, {"batch": 0}, {"lr": 0.0}, {"schedule": "steep"}, {"average": 1.0}, {"clip": -1.0}, {"precision": "int4"}],
    ids=str,
)
def test_impossible_fits_are_refused(values):
    with pytest.raises(InputError, match="fit"):
        Fit(**values)


def test_schedules_end_at_nothing_and_never_pass_the_rate():
    for name, factor in SCHEDULES.items():
        rates = [factor(done / 100) for done in range(101)]
        assert (
            min(rates) >= 0
            and max(rates) == pytest.approx(1.0)
            and (name == "constant" or rates[-1] == pytest.approx(0.0, abs=1e-12))
        )


def test_passes_and_workers_change_nothing(tmp_path):
    """A batch in parts has the same gradient, and loading pairs elsewhere loads the same pairs."""
    words = ["fit.batch=4", "augment=mirror", "data.noise=fresh"]
    whole, parts, loaded = (
        fitted(tmp_path / name, *words, *more)
        for name, more in {"whole": [], "parts": ["fit.passes=2"], "loaded": ["workers=2"]}.items()
    )
    weights = [load_file(run / WEIGHTS) for run in (whole, parts, loaded)]
    for name, one in weights[0].items():
        torch.testing.assert_close(weights[1][name], one, rtol=0, atol=1e-5)
        assert torch.equal(weights[2][name], one)
    with pytest.raises(InputError, match=r"multiple of 1 devices x fit\.passes=3"):
        fitted(tmp_path / "odd", *words, "fit.passes=3")


def test_two_processes_give_the_weights_of_one(tmp_path, capfd):
    """Each computes its share of every batch; gradients are averaged."""
    words = ["fit.batch=4", "fit.steps=20", "fit.validate_every=10"]
    inside("train", *WORDS, *words, "devices=2", "run_dir=two", cwd=tmp_path)  # starts both of them
    assert capfd.readouterr().out.count("step 20/20") == 1
    one = load_file(fitted(tmp_path / "one", *words) / WEIGHTS)
    two = load_file(tmp_path / "two" / WEIGHTS)
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-5)
    with pytest.raises(InputError, match="multiple of 2 devices"):
        fitted(tmp_path / "odd", "fit.batch=3", "devices=2")


def test_average_forgets_at_its_rate():
    """Equal steps of 1 from 0 on: the average lags by f / (1 - f) in the end, and by less at the start."""
    theta = torch.nn.Parameter(torch.zeros(1))
    average = MovingAverage([theta], 0.9)
    for _ in range(400):
        theta.data += 1
        average.update()
        with average.in_place():
            lag = 400 - theta.item() if theta.item() > 380 else None
    assert theta.item() == 400 and lag == pytest.approx(0.9 / 0.1, rel=1e-3)


def test_average_is_what_is_kept(tmp_path):
    words = ["fit.steps=10", "fit.validate_every=10", "fit.lr=0.01", "fit.schedule=constant"]
    last, mean = (fitted(tmp_path / str(f), *words, f"fit.average={f}") for f in (0.0, 0.9))
    kept, state = load_file(mean / WEIGHTS), mean.load_state()
    names = [name for name, _ in model_of(str(mean.path), [])[1].named_parameters()]
    for name, b, c in zip(names, state["average"][1], state["parameters"], strict=True):
        assert torch.equal(kept[name], b) and not torch.equal(b, c)
    for a, b in zip(last.load_state()["parameters"], state["parameters"], strict=True):
        assert torch.equal(a, b)  # the way is the same


def test_gradients_are_clipped(tmp_path):
    """Adam does not see their scale; plain gradient descent moves by at most lr x clip a step."""
    words = ["optimizer=sgd", "optimizer.momentum=0.0", "fit.lr=1.0", "fit.schedule=constant", "fit.validate_every=1"]
    starts = load_file(fitted(tmp_path / "start", *words, "fit.steps=1", "fit.lr=1.0e-12") / WEIGHTS)
    after = load_file(fitted(tmp_path / "clipped", *words, "fit.steps=1", "fit.clip=1e-4") / WEIGHTS)
    moved = sum((after[name] - starts[name]).square().sum() for name in starts).sqrt().item()
    assert moved == pytest.approx(1e-4, rel=1e-2)


def test_stops_when_nothing_gets_better(tmp_path):
    """And is done: the same command does not go on."""
    words = ["fit.steps=50", "fit.validate_every=1", "fit.lr=0.3", "fit.schedule=constant", "fit.patience=3"]
    run = fitted(tmp_path / "a", *words)
    scores = [float(row["psnr"]) for row in run.read_rows(HISTORY)]
    assert len(scores) < 50 and scores.index(max(scores)) == len(scores) - 4 and run.done()
    fitted(tmp_path / "a", *words)
    assert len(run.read_rows(HISTORY)) == len(scores)


def test_checkpointing_has_the_same_gradients_and_keeps_less():
    kept, gradients = [], []
    for words in (["model.checkpointing=false"], ["model.checkpointing=true"]):
        e = experiment("model.iterations=6", *words)
        model, (x, y) = e.model().train(), e.pairs("train").pair(0)
        sizes = {}

        def keep(t, sizes=sizes):
            sizes[t.data_ptr()] = t.nbytes
            return t

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            loss = (model(y) - x).square().mean()
        kept.append(sum(sizes.values()))
        loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert kept[1] < 0.5 * kept[0]
    with pytest.raises(InputError, match="checkpointing"):
        experiment("model.checkpointing=true", "block=nonexpansive", "field=gradient_flow").model()


def test_bfloat16_leaves_the_measurement_alone():
    """Under autocast convolutions are in bfloat16; the image, which data steps see, keeps float32."""
    e = experiment("conv=c4")
    model, y = e.model(), e.pairs("train").pair(0)[1]
    seen = []
    model.term.ray.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        x = model(y)
    assert x.dtype == torch.float32 and set(seen) == {torch.float32}
    torch.testing.assert_close(x, model(y), rtol=0, atol=1e-3)


def test_tensorboard_sees_every_validation(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = fitted(tmp_path / "a", "tensorboard=true")
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("psnr")] == [
        (int(row["step"]), pytest.approx(float(row["psnr"]))) for row in run.read_rows(HISTORY)
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fit.precision=bf16-mixed", "device=cpu"], "needs device=cuda"),
        (["devices=0"], "at least 1"),
        (["nodes=2"], "torchrun or srun"),
    ],
    ids=str,
)
def test_machines_that_are_not_there_are_refused(words, says, tmp_path):
    with pytest.raises(InputError, match=says):
        fitted(tmp_path / "a", *words)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=str)
def test_signals_are_heard_while_listening(number):
    before = signal.getsignal(number)
    with listening() as heard:
        assert not heard()
        signal.raise_signal(number)
        with listening() as inner:
            assert heard() and inner()
    assert signal.getsignal(number) == before
    with listening() as heard:
        assert not heard()


LONG = ["fit.steps=120", "fit.validate_every=60"]


def test_signalled_to_stop_keeps_the_last_step(tmp_path):
    """Not only the last validation; the status tells a scheduler to start the same command again, which ends as if never stopped."""
    command = [sys.executable, "-W", "ignore", "-m", "ctrecon", "train", *WORDS, *LONG]
    with subprocess.Popen([*command, f"run_dir={tmp_path / 'a'}"], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    run = Run(tmp_path / "a")
    assert process.returncode == STOPPED and "as a signal asked" in said
    assert run.status()["state"] == "stopped" and run.status()["step"] % 60 and run.load_state()["step"] == run.status()["step"]
    resumed, whole = (fitted(tmp_path / name, *LONG) for name in ("a", "whole"))
    one, other = load_file(resumed / WEIGHTS), load_file(whole / WEIGHTS)
    assert all(torch.equal(one[name], other[name]) for name in one)
    losses = [[row["loss"] for row in run.read_rows(HISTORY)] for run in (resumed, whole)]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_processes_of_one_training_stop_together(tmp_path):
    words = [*WORDS, "fit.batch=4", "fit.steps=4000", "fit.validate_every=2000", "devices=2", f"run_dir={tmp_path / 'a'}"]
    with subprocess.Popen([sys.executable, "-m", "ctrecon", "train", *words], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    assert process.returncode == STOPPED and said.count("as a signal asked") == 1
    assert 0 < Run(tmp_path / "a").load_state()["step"] < 4000


STATEFUL = {
    "nonexpansive": ["field=gradient_flow", "block=nonexpansive", "block.time=10"],  # directions of norms
    "averaging": ["fit.average=0.9", "fit.clip=0.001", "augment=turn90", "data.noise=fresh"],
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


@pytest.mark.slow  # test_sweep.py kills too
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


@pytest.mark.slow
def test_thirty_thousand_slices_fit_into_two_gibibytes(tmp_path):
    """An epoch over 30,000 slices of 256 x 256 (3.7 GiB as they are): what the process held at its peak."""
    axis = np.arange(256) - 128
    body = np.where(axis[:, None] ** 2 + axis[None, :] ** 2 < 100**2, 20, -1000).astype(np.int16)
    with h5py.File(tmp_path / "many.h5", "w") as file:
        images = file.create_dataset(
            "images", (30_000, 256, 256), "<i2", chunks=(1, 256, 256), compression="gzip", compression_opts=1
        )
        for row in range(30_000):
            body[128 + row % 50, 100:150] += 1
            images[row] = body
        file["patient"] = [f"P{row // 30}" for row in range(30_000)]
        file["split"] = ["train" if row < 29_400 else "val" if row < 29_700 else "test" for row in range(30_000)]
        file.attrs["unit"] = "HU"
    words = ["experiment=smoke", "data=slices", f"data.file={tmp_path / 'many.h5'}", "data.train_size=null", "model.iterations=1"]
    words += ["data.val_size=20", "data.test_size=null", "fit.batch=100", "fit.steps=294", "fit.validate_every=294"]
    script = (
        "import sys; from ctrecon.cli import main; main();"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, "train", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    peak = int(done.stdout.split()[-1]) / 2**20
    print(f"{peak:.2f} GiB at the peak")
    assert peak < 2
