"""From a run folder to what is measured of its model: evaluate and certify."""

from typing import Any

from ctrecon.build import model_of
from ctrecon.certify import certify
from ctrecon.cost import bytes_for_backward
from ctrecon.data.split import no_leak
from ctrecon.environment import pick_device
from ctrecon.errors import InputError
from ctrecon.evaluate import evaluate, seconds_per_step
from ctrecon.guarantee.claim import Claim
from ctrecon.models.orbit_mean import OrbitMean
from ctrecon.models.tuned import Tuned
from ctrecon.run import Run

TEST_SET = ("geometry", "noise", "data")  # the configuration that says what a model was measured on
NOT_THE_TEST = ("train_size", "val_size", "noise")


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
    path: str,
    words: list[str],
    turns: list,
    out: str | None,
    device: str,
    certificate: bool,
    leaks: bool = False,
    averaged: bool = False,
) -> tuple[dict[str, Any], list[Claim]]:
    """Measure a run, on other data where words say so; returns the summary, and the claims of a certificate if one is wanted."""
    if not turns or any(isinstance(turn, bool) or not isinstance(turn, int | float) for turn in turns):
        raise InputError(f"turns={turns}: expected angles in degrees, such as turns=[0,90]")
    place = pick_device(device)
    run, (experiment, model) = Run(path), model_of(path, words)
    model = OrbitMean(model) if averaged else model
    pairs = experiment.pairs("test")
    if not leaks:
        no_leak("test", pairs.patients(), run.patients())
    training = _training(experiment.config, run) if list(model.parameters()) and not isinstance(model, Tuned) else {}
    test = {part: {k: v for k, v in experiment.config[part].items() if k not in NOT_THE_TEST} for part in TEST_SET}
    identity = {
        "run": f"{run.name}/{run.path.resolve().name}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds_per_step": seconds_per_step(run),
        "training": training,
        "bytes_per_pair": bytes_for_backward(model, pairs.pair(0)[1]),
        "test": test | {"turns": turns, "images": len(pairs)},
    }
    results = Run(out or path)
    with results.claimed():
        summary = evaluate(model, pairs, turns, results, identity, place)
        return summary, certify(model, experiment.ray, *pairs.pair(0), results, place) if certificate else []


def _training(config: dict[str, Any], run: Run) -> dict[str, Any]:
    """What a learned model was made from."""
    told, fit = run.status(), config["fit"]
    return {
        "images": told["images"],
        "steps": fit["steps"],
        "lr": fit["lr"],
        "seed": config["seed"],
        "validation_psnr": told["best"],
    }
