"""Measure a run on its test images, or another program on the same: a guest, or images that lie in a folder."""

from collections.abc import Iterable
from typing import Any

from ctrecon import certify
from ctrecon.config.compose import identity
from ctrecon.config.experiment import Experiment, model_of
from ctrecon.config.field_of_view import of_training
from ctrecon.config.guest import guest_of
from ctrecon.config.kind import Device
from ctrecon.config.options import options
from ctrecon.config.place import GuestName, RunFolder
from ctrecon.config.sweep import training
from ctrecon.data.augment import Pose
from ctrecon.data.pairs import Pairs
from ctrecon.data.split import no_leak
from ctrecon.disk.table import as_markdown
from ctrecon.disk.yaml_file import as_yaml
from ctrecon.errors import InputError
from ctrecon.evidence.bootstrap import Estimate
from ctrecon.files.reconstructions import Reconstructions
from ctrecon.guarantee.certificate import certify as certify_model
from ctrecon.guarantee.claim import Claim
from ctrecon.machine.device import pick_device
from ctrecon.measure.cost import bytes_for_backward
from ctrecon.measure.evaluation import Reconstruct, by_model, evaluate, seconds_per_step
from ctrecon.models.fitting import Fitting
from ctrecon.models.orbit_mean import OrbitMean
from ctrecon.runs.environment import environment
from ctrecon.runs.results import Results
from ctrecon.runs.run import ENVIRONMENT, Run

COLUMNS = {"psnr": "PSNR in dB", "ssim": "SSIM", "rmse_hu": "RMSE in HU"}
TEST_SET = ("geometry", "noise", "data")  # the configuration that says what a model was measured on
NOT_THE_TEST = ("train_size", "val_size", "noise")


def main(words: Iterable[str]) -> None:
    """ctrecon evaluate."""
    chosen, rest = options("evaluate", words)
    folder = chosen["out"] or chosen["run"]
    summary, claims = evaluate_run(**chosen, words=rest)
    print(as_markdown([_row(turn, metrics) for turn, metrics in summary["metrics"].items()]))
    for name, count in summary["undefined"].items():
        print(f"{name}: undefined for {count} measurement{'s' * (count > 1)} of constant images, left out")
    print(f"written: {folder}/metrics.csv, metrics.json, examples.h5")
    if claims:
        certify.show(claims, folder)


def _row(turn: str, metrics: dict[str, dict[str, float]]) -> dict[str, str]:
    """What is printed of a turn: means over patients with 95 % intervals; metrics.json has the other definitions."""
    return {"turn": turn} | {label: Estimate(**metrics[name]).format(name) for name, label in COLUMNS.items()}


def evaluate_run(
    run: RunFolder | None,
    words: Iterable[str],
    turns: list[int | float],
    out: str | None,
    device: Device,
    certificate: bool,
    leaks: bool = False,
    averaged: bool = False,
    guest: GuestName | None = None,
    images: str | None = None,
) -> tuple[dict[str, Any], list[Claim]]:
    """Measure a run, on other data where words say so, or a guest or images on what words say.

    Returns:
        The summary, and the claims of a certificate if one is wanted of a run.
    """
    if not turns:
        raise InputError(f"turns={turns}: expected angles in degrees, such as turns=[0,90]")
    if guest:
        return evaluate_guest(guest, training(words), turns, out, device, averaged), []
    if images:
        return evaluate_images(images, training(words), turns, out), []
    place = pick_device(device)
    trained, (experiment, model) = Run(run), model_of(run, words)
    model = OrbitMean(model) if averaged else model
    pairs = _test_pairs(experiment)
    if not leaks:
        no_leak("test", pairs.patients(), trained.patients())
    learned = model.fitting is Fitting.WEIGHTS
    facts = {
        "run": f"{trained.name}/{trained.path.resolve().name}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "fitting": model.fitting.value,
        "seconds_per_step": seconds_per_step(trained) if learned else None,
        "training": _training(experiment.config, trained) if learned else {},
        "bytes_per_pair": bytes_for_backward(model, pairs.pair(0)[1]),
        "test": test_set(experiment.config, turns) | {"images": len(pairs)},
    }
    results = Results(out or run)
    with results.claimed():
        summary = evaluate(by_model(model, place), pairs, turns, results, facts)
        return summary, certify_model(model, experiment.ray, *pairs.pair(0), results, place) if certificate else []


def evaluate_guest(
    guest: str, values: dict[str, Any], turns: list[int | float], out: str, device: Device, averaged: bool = False
) -> dict[str, Any]:
    """Measure somebody else's reconstruction method on the test images of a composed configuration; returns the summary."""
    experiment, place = _experiment(values, out), pick_device(device)
    model = guest_of(guest, experiment.geometry)
    reconstruct = by_model(OrbitMean(model) if averaged else model, place)
    facts = {"guest": guest, "parameters": model.size}
    return _measured(reconstruct, experiment, _test_pairs(experiment), turns, out, place, facts)


def evaluate_images(images: str, values: dict[str, Any], turns: list[int | float], out: str) -> dict[str, Any]:
    """Measure images that another program made of the test sinograms of a composed configuration; returns the summary.

    Raises:
        InputError: Images are missing: then the sinograms of which they are to be made are written into the folder.
    """
    experiment = _experiment(values, out)
    pairs = _test_pairs(experiment)
    brought = Reconstructions(images, experiment.geometry.pixels, len(pairs))
    if missing := brought.missing(turns):
        for turn in missing:
            y = [pairs.pair(index, Pose(turn))[1] for index in range(len(pairs))]
            brought.write_sinograms(turn, y, as_yaml(experiment.config["geometry"]))
        raise brought.wanted(missing)
    facts = {"images": images, "parameters": None, "seconds_per_image": None}
    return _measured(brought.image, experiment, pairs, turns, out, pick_device("cpu"), facts)


def test_set(config: dict[str, Any], turns: list[int | float]) -> dict[str, Any]:
    """What tells on which sinograms something was measured, their number apart."""
    return {part: {k: v for k, v in config[part].items() if k not in NOT_THE_TEST} for part in TEST_SET} | {"turns": turns}


def _experiment(values: dict[str, Any], out: str) -> Experiment:
    """The experiment whose test images others are measured on: that of a run that learns with the same words."""
    values, size = of_training(values, Run(out))
    if size:
        print(size)
    return Experiment(identity(values))


def _test_pairs(experiment: Experiment) -> Pairs:
    """The pairs to measure on. Raises InputError where they have no truth."""
    pairs = experiment.pairs("test")
    pairs.check_truth("expected a file with references to measure by")
    return pairs


def _measured(
    reconstruct: Reconstruct,
    experiment: Experiment,
    pairs: Pairs,
    turns: list[int | float],
    out: str,
    place: Any,
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Measure what is no run of ours, and leave with what that was done."""
    results = Results(out)
    test = test_set(experiment.config, turns) | {"images": len(pairs)}
    name = "/".join(results.path.resolve().parts[-2:])
    nothing = {"run": name, "fitting": Fitting.NOTHING.value, "seconds_per_step": None, "training": {}, "bytes_per_pair": None}
    with results.claimed():
        summary = evaluate(reconstruct, pairs, turns, results, nothing | facts | {"test": test})
        results.write_json(ENVIRONMENT, environment(place))
    return summary


def _training(config: dict[str, Any], run: Run) -> dict[str, Any]:
    """What a learned model was made from."""
    status, fit = run.status(), config["fit"]
    made = {"images": status["images"], "steps": fit["steps"], "lr": fit["lr"], "seed": config["seed"]}
    return made | {"validation_psnr": status["best"], "validation_held_out": status["held_out"]}
