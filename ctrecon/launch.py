"""From a configuration to a run folder: build the objects, claim the folder, then train, evaluate or certify."""

from contextlib import nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch._dynamo.exc import TorchDynamoException

from ctrecon.build import Experiment, model_of
from ctrecon.certify import certify
from ctrecon.configure import what_it_is
from ctrecon.data.split import no_leak
from ctrecon.environment import environment
from ctrecon.errors import InputError
from ctrecon.evaluate import evaluate, seconds_per_step
from ctrecon.guarantee.claim import Claim
from ctrecon.machine import launched, machine, pick_device
from ctrecon.models.tuned import Tuned
from ctrecon.run import Run
from ctrecon.train import train
from ctrecon.tune import tune

TEST_SET = ("geometry", "noise", "data")  # the configuration that says what a model was measured on
NOT_THE_TEST = ("train_size", "val_size", "noise")


def run_of(values: dict[str, Any]) -> Run:
    """The run folder of a composed configuration."""
    return Run(values["run_dir"] or f"runs/{values['name']}/{values['seed']}")


def train_run(values: dict[str, Any]) -> Run:
    """Train the run of a composed configuration, or go on with it, on the devices that it says.

    Nothing is written before the data is found, its rows are enough and the model is built.
    """
    run = run_of(values)
    run.check(what_it_is(values))
    if run.done():
        print(f"{run.path}: done already; remove the folder to train again")
        return run
    log = run.path if values["tensorboard"] else None
    fabric = machine(values["device"], values["devices"], values["nodes"], values["fit"]["precision"], log)
    if fabric.world_size > 1:
        _Prepared(values)  # what is wrong is told here, in one line, and not by a process among several
    launched(fabric, _train, values)
    return run


class _Prepared:
    """What a training needs, all made before anything is written."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.experiment = Experiment(what_it_is(values))
        self.fit, self.training, self.validation = self.experiment.fit, self.experiment.examples(), self.experiment.pairs("val")
        self.model = self.experiment.model()
        learns, chooses = bool(list(self.model.parameters())), isinstance(self.model, Tuned)
        self.people = {
            "train": sorted(self.training.pairs.patients()) if learns else [],
            "val": sorted(self.validation.patients()) if learns or chooses else [],
        }
        self.steps = self.fit.steps if learns else None
        no_leak("val", self.validation.patients(), {"train": self.people["train"]})


def _train(fabric: Fabric, values: dict[str, Any]) -> None:
    """The training, in one of the processes of the fabric; the first one writes."""
    made, run = _Prepared(values), run_of(values)
    with run.claimed() if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero:
            run.begin(made.experiment.config, environment(fabric.device), made.people, made.steps)
        fabric.barrier()
        try:
            if isinstance(made.model, Tuned):
                tune(fabric, run, made.model, made.validation)
            else:
                if values["compile"]:
                    made.model.compile()
                descend = made.experiment.optimizer
                train(fabric, run, made.model, made.fit, descend, made.training, made.validation, values["workers"])
        except (InputError, OSError, RuntimeError) as error:
            told = _with_cure(error)
            run.fail(told)
            raise told from None


def _with_cure(error: Exception) -> Exception:
    """What to do about an error that is not about the input, where that is known."""
    line = str(error).strip().partition("\n")[0]
    if isinstance(error, torch.OutOfMemoryError):
        return InputError(f"{line} Lower fit.batch or conv.channels, raise fit.passes, or say model.checkpointing=true")
    if isinstance(error, TorchDynamoException):
        return InputError(f"compile=true: {line}; expected a C++ compiler that works: say compile=false")
    return error


def certify_run(path: str, words: list[str], image: int, out: str | None, device: str) -> list[Claim]:
    """Measure what the model of a run promises, on one of its test images; returns the claims."""
    place = pick_device(device)
    experiment, model = model_of(path, words)
    pairs = experiment.pairs("test")
    if not 0 <= image < len(pairs):
        raise InputError(f"image={image}: expected one of the {len(pairs)} test images, 0 to {len(pairs) - 1}")
    results = Run(out or path)
    with results.claimed():
        return certify(model, experiment.ray, *pairs.pair(image), results, place)


def evaluate_run(
    path: str, words: list[str], turns: list, out: str | None, device: str, certificate: bool, leaks: bool = False
) -> tuple[dict[str, Any], list[Claim]]:
    """Measure a run, on other data where words say so; returns the summary, and the claims of a certificate if one is wanted."""
    if not turns or any(isinstance(turn, bool) or not isinstance(turn, int | float) for turn in turns):
        raise InputError(f"turns={turns}: expected angles in degrees, such as turns=[0,90]")
    place = pick_device(device)
    run, (experiment, model) = Run(path), model_of(path, words)
    pairs = experiment.pairs("test")
    if not leaks:
        no_leak("test", pairs.patients(), run.patients())
    test = {part: {k: v for k, v in experiment.config[part].items() if k not in NOT_THE_TEST} for part in TEST_SET}
    identity = {
        "run": f"{run.name}/{run.path.resolve().name}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds_per_step": seconds_per_step(run),
        "test": test | {"turns": turns, "images": len(pairs)},
    }
    results = Run(out or path)
    with results.claimed():
        summary = evaluate(model, pairs, turns, results, identity, place)
        return summary, certify(model, experiment.ray, *pairs.pair(0), results, place) if certificate else []
