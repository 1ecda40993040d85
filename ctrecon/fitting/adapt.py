"""Go on with the training of a run, on sinograms of one scan alone.

Every fifth view is kept from the training and judges it, so that what is kept explains what was measured no worse than the start does.
"""

from typing import Any

from lightning_fabric import Fabric

from ctrecon.config.experiment import Experiment
from ctrecon.data.augment import NoAugment
from ctrecon.data.examples import Examples
from ctrecon.data.pairs import Pairs
from ctrecon.data.scanner import Scanner
from ctrecon.data.sinograms import Sinograms
from ctrecon.errors import InputError
from ctrecon.fitting.descend import descend
from ctrecon.fitting.validate import SETS, validate
from ctrecon.models.fitting import Fitting
from ctrecon.objective.attempt import Setting
from ctrecon.objective.split import check_sets, divided
from ctrecon.physics.ray import RayTransform
from ctrecon.runs.environment import environment
from ctrecon.runs.run import Run
from ctrecon.shapes import Sinogram


def go_on(fabric: Fabric, experiment: Experiment, config: dict[str, Any], run: Run, new: Run, y: Sinogram) -> str:
    """Train a run on, and keep the better one of start and end by the views that are held out; says which it is.

    Args:
        fabric: Where.
        experiment: The model, objective and fit, on the scan.
        config: What the new run is known by.
        run: The trained run.
        new: The new one.
        y: The sinograms.

    Raises:
        InputError: The run has no weights, the objective needs a truth or does not suit them, or a training that diverges.
    """
    objective, fit, geometry = experiment.objective, experiment.fit, experiment.geometry
    model = experiment.model(str(run.path))
    if model.fitting is not Fitting.WEIGHTS:
        raise InputError(f"run={run.path}: {type(model).__name__} has no weights to learn; expected a learned model")
    if objective.needs_truth:
        raise InputError("objective=supervised: needs true images; expected split, sure or robust_equivariant_imaging")
    whole = Setting(model, lambda: experiment.ray, experiment.noise, held_out=0)
    check_sets(whole, SETS)
    given = divided(geometry.shape[0], 0, SETS)[0]
    part = whole.on_views(given)
    learner = Setting(part, lambda: RayTransform(part.geometry, experiment.projector), experiment.noise)
    objective.check(learner)
    pairs = [
        Pairs(Sinograms(some), range(len(y)), Scanner(one.geometry, experiment.noise, projector=experiment.projector))
        for some, one in ((y[..., given, :], part), (y, model))
    ]
    training = Examples(pairs[:1], NoAugment(), "fixed", experiment.config["seed"], fit.batch, lambda step: 0)
    with new.claimed():
        known = run.patients()
        new.begin(config, environment(fabric.device), known, fit.steps, len(y))
        try:
            whole.model.to(fabric.device)
            start = validate(fabric, whole, pairs[1], held_out=True)[0]
            descend(fabric, new, model, [learner, whole], objective, fit, experiment.optimizer, training, {1: pairs[1]})
            end = new.status()["held_out"]
            change = f"deviance of the views that were held out: {start['held_out']:.4f} at the start, {end:.4f} after it"
            if end < start["held_out"]:
                return f"{new.path}: adapted; {change}"
            run.load_weights(model)
            new.save_weights(model)
            new.report("done", held_out=start["held_out"])
            return f"{new.path}: the start is kept, since nothing better was found; {change}"
        except Exception as error:
            new.fail(error)
            raise
