"""From a configuration to a run folder: build the objects, claim the folder, then train, evaluate or certify."""

from typing import Any

from ctrecon.build import Experiment, model_of
from ctrecon.certify import certify
from ctrecon.configure import what_it_is
from ctrecon.environment import environment, pick_device
from ctrecon.errors import InputError
from ctrecon.evaluate import evaluate, seconds_per_step
from ctrecon.guarantee.claim import Claim
from ctrecon.models.tuned import Tuned
from ctrecon.run import Run
from ctrecon.train import train
from ctrecon.tune import tune

TEST_SET = ("geometry", "noise", "data")  # the configuration that says what a model was measured on
NOT_THE_TEST = ("train_size", "val_size")


def train_run(values: dict[str, Any]) -> Run:
    """Train the run of a composed configuration, or go on with it.

    Nothing is written before the data is found, its rows are enough and the model is built.
    """
    device = pick_device(values["device"])
    run = Run(values["run_dir"] or f"runs/{values['name']}/{values['seed']}")
    experiment = Experiment(what_it_is(values))
    fit, training, validation = experiment.fit, experiment.pairs("train"), experiment.pairs("val")
    model = experiment.model()
    with run.claimed():
        run.begin(experiment.config, environment(device))
        if isinstance(model, Tuned):
            tune(run, model, validation, device)
        else:
            train(run, model, fit, experiment.optimizer, training, validation, device, values["seed"])
    return run


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
    path: str, words: list[str], turns: list, out: str | None, device: str, certificate: bool
) -> tuple[dict[str, Any], list[Claim]]:
    """Measure a run, on other data where words say so; returns the summary, and the claims of a certificate if one is wanted."""
    if not turns or any(isinstance(turn, bool) or not isinstance(turn, int | float) for turn in turns):
        raise InputError(f"turns={turns}: expected angles in degrees, such as turns=[0,90]")
    place = pick_device(device)
    run, (experiment, model) = Run(path), model_of(path, words)
    pairs = experiment.pairs("test")
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
