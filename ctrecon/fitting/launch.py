"""From a configuration to a run folder: build the objects, claim the folder, train."""

from contextlib import nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch._dynamo.exc import TorchDynamoException

from ctrecon.config.compose import identity
from ctrecon.config.experiment import Experiment
from ctrecon.config.field_of_view import of_training
from ctrecon.data.split import no_leak
from ctrecon.errors import InputError
from ctrecon.fitting.descend import descend
from ctrecon.fitting.tune import tune
from ctrecon.fitting.validate import SETS, check_validation, reported, validate
from ctrecon.machine.fabric import launched, machine
from ctrecon.measure.metrics import check_pixels
from ctrecon.models.fitting import Fitting
from ctrecon.objective.split import check_sets
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
    values, size = of_training(values, run)
    run.check(identity(values))
    if size:
        print(size)
    if run.done():
        print(f"{run.path}: done already; remove the folder to train again")
        return run
    log = run.path if values["tensorboard"] else None
    fabric = machine(values["device"], values["devices"], values["nodes"], values["fit"]["precision"], log)
    if fabric.world_size > 1:
        made = _Prepared(values)  # what is wrong is reported here, in one line, and not by a process among several
        if made.steps is None:
            raise InputError(
                f"devices={values['devices']}, nodes={values['nodes']}: this model learns by no steps that could be shared: expected one of each"
            )
    launched(fabric, _train, values)
    return run


class _Prepared:
    """What a training needs, all made before anything is written."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.experiment = Experiment(identity(values))
        self.fit, self.training = self.experiment.fit, self.experiment.examples()
        self.validations = {number: self.experiment.scans[number].pairs("val") for number in self.experiment.law.judged}
        self.validation, self.model = next(iter(self.validations.values())), self.experiment.model()
        fitting = self.model.fitting
        self.patients = {
            "train": sorted(self.training.pairs.patients()) if fitting is Fitting.WEIGHTS else [],
            "val": sorted(self.validation.patients()) if fitting is not Fitting.NOTHING else [],
        }
        self.steps = self.fit.steps if fitting is Fitting.WEIGHTS else None
        self.images = len(self.training.pairs) if fitting is Fitting.WEIGHTS else None
        self.objective = self.experiment.objective
        scans = self.experiment.scans if fitting is Fitting.WEIGHTS else [self.experiment]
        self.settings = [one.setting(self.model if one is self.experiment else self.model.on(one.geometry)) for one in scans]
        self._check_objective(fitting)
        no_leak("val", self.validation.patients(), {"train": self.patients["train"]})
        check_pixels(self.experiment.geometry.pixels)
        if self.objective.needs_truth:
            self.validation.check_truth(
                "expected an objective that needs no truth: objective=split, sure or robust_equivariant_imaging"
            )
            check_validation(self.validation)

    def _check_objective(self, fitting: Fitting) -> None:
        """Raises InputError where the objective, or what is to be judged by without a truth, does not suit model, scan and noise."""
        if fitting is Fitting.WEIGHTS:
            for setting in self.settings:
                self.objective.check(setting)
        if fitting is not Fitting.NOTHING and not self.objective.needs_truth:
            for setting in self.settings if fitting is Fitting.NUMBER else [self.settings[number] for number in self.validations]:
                check_sets(setting, SETS)
                setting.deviance(*2 * [torch.ones(1, 1, 1, 1)])

    def described(self, run: Run, device: torch.device) -> str:
        """What was loaded, in two lines: scan and images; model and device."""
        geometry, counts = self.experiment.geometry, []
        for split, pairs in (("training", self.training.pairs), ("validation", self.validation)):
            if split == "validation" or self.model.fitting is Fitting.WEIGHTS:
                counts.append(f"{_several(len(pairs), split + ' image')} of {_several(len(pairs.patients()), 'patient')}")
        parameters = sum(p.numel() for p in self.model.parameters())
        return (
            f"{run.path}: {', '.join(counts)}; {type(geometry).__name__} scan of {geometry.shape[0]} views x {geometry.shape[1]} bins, "
            f"{geometry.pixels} x {geometry.pixels} pixels{_beside(self.experiment.law.count)}\n"
            f"{run.path}: {type(self.model).__name__}, {_several(parameters, 'parameter')}, on {device}"
        )


def _beside(scans: int) -> str:
    return f", learning from {scans} scans" if scans > 1 else ""


def _several(count: int, of: str) -> str:
    return f"{count:,} {of}{'s' * (count != 1)}"


def _train(fabric: Fabric, values: dict[str, Any]) -> None:
    """The training, in one of the processes of the fabric; the first one writes."""
    made, run = _Prepared(values), run_of(values)
    fabric.print(made.described(run, fabric.device))
    with run.claimed() if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero:
            run.begin(made.experiment.config, environment(fabric.device), made.patients, made.steps, made.images)
        fabric.barrier()
        try:
            _fit(fabric, run, made, values)
        except Exception as error:
            cured = _with_cure(error)
            run.fail(cured)
            if cured is error:
                raise
            raise cured from None


def _fit(fabric: Fabric, run: Run, made: _Prepared, values: dict[str, Any]) -> None:
    """What the model's kind of fitting asks for."""
    if made.model.fitting is Fitting.NOTHING:
        made.model.to(fabric.device)
        row = {"step": 0, "seconds": 0.0} | validate(fabric, made.settings[0], made.validation)[0]
        run.finish(made.model, [row], reported(row))
        fabric.print(f"{run.path}: nothing to fit, this model has no parameters")
    elif made.model.fitting is Fitting.NUMBER:
        tune(fabric, run, made.settings[0], made.validation, made.objective.needs_truth)
    else:
        if values["compile"]:
            made.model.compile()
        learned, from_ = (made.model, made.settings), (made.training, made.validations)
        descend(fabric, run, *learned, made.objective, made.fit, made.experiment.optimizer, *from_, values["workers"])


def _with_cure(error: Exception) -> Exception:
    """What to do about an error that is not about the input, where that is known."""
    line = str(error).strip().partition("\n")[0]
    if isinstance(error, torch.OutOfMemoryError):
        return InputError(f"{line} Lower fit.batch or conv.channels, raise fit.passes, or say model.checkpointing=true")
    if isinstance(error, TorchDynamoException):
        return InputError(f"compile=true: {line}; expected a C++ compiler that works: say compile=false")
    return error
