"""From a configuration to a run folder: build the objects, claim the folder, train."""

from contextlib import nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch._dynamo.exc import TorchDynamoException

from ctrecon.config.experiment import Experiment
from ctrecon.config.words import what_it_is
from ctrecon.data.split import no_leak
from ctrecon.errors import InputError
from ctrecon.fitting.descend import descend
from ctrecon.fitting.tune import tune
from ctrecon.fitting.validate import check_validation
from ctrecon.machine.fabric import launched, machine
from ctrecon.measure.metrics import check_pixels
from ctrecon.models.tuned import Tuned
from ctrecon.runs.environment import environment
from ctrecon.runs.run import Run


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
        made = _Prepared(values)  # what is wrong is told here, in one line, and not by a process among several
        if made.steps is None:
            raise InputError(f"devices={values['devices']}: this model learns by no steps that could be shared: say devices=1")
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
        self.images = len(self.training.pairs) if learns and not chooses else None
        no_leak("val", self.validation.patients(), {"train": self.people["train"]})
        check_pixels(self.experiment.geometry.pixels)
        check_validation(self.validation)


def _train(fabric: Fabric, values: dict[str, Any]) -> None:
    """The training, in one of the processes of the fabric; the first one writes."""
    made, run = _Prepared(values), run_of(values)
    with run.claimed() if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero:
            run.begin(made.experiment.config, environment(fabric.device), made.people, made.steps, made.images)
        fabric.barrier()
        try:
            if isinstance(made.model, Tuned):
                tune(fabric, run, made.model, made.validation)
            else:
                if values["compile"]:
                    made.model.compile()
                optimizer = made.experiment.optimizer
                descend(fabric, run, made.model, made.fit, optimizer, made.training, made.validation, values["workers"])
        except Exception as error:
            cured = _with_cure(error)
            run.fail(cured)
            if cured is error:
                raise
            raise cured from None


def _with_cure(error: Exception) -> Exception:
    """What to do about an error that is not about the input, where that is known."""
    line = str(error).strip().partition("\n")[0]
    if isinstance(error, torch.OutOfMemoryError):
        return InputError(f"{line} Lower fit.batch or conv.channels, raise fit.passes, or say model.checkpointing=true")
    if isinstance(error, TorchDynamoException):
        return InputError(f"compile=true: {line}; expected a C++ compiler that works: say compile=false")
    return error
