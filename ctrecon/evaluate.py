"""Measure a run on its test images."""

from collections.abc import Iterable
from typing import Any

from ctrecon import certify
from ctrecon.config.experiment import model_of
from ctrecon.config.kind import Device
from ctrecon.config.options import options
from ctrecon.config.place import RunFolder
from ctrecon.data.split import no_leak
from ctrecon.disk.table import as_markdown
from ctrecon.errors import InputError
from ctrecon.evidence.bootstrap import Estimate
from ctrecon.guarantee.certificate import certify as certify_model
from ctrecon.guarantee.claim import Claim
from ctrecon.machine.device import pick_device
from ctrecon.measure.cost import bytes_for_backward
from ctrecon.measure.evaluation import evaluate, seconds_per_step
from ctrecon.models.fitting import Fitting
from ctrecon.models.orbit_mean import OrbitMean
from ctrecon.runs.results import Results
from ctrecon.runs.run import Run

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
    run: RunFolder,
    words: Iterable[str],
    turns: list[int | float],
    out: str | None,
    device: Device,
    certificate: bool,
    leaks: bool = False,
    averaged: bool = False,
) -> tuple[dict[str, Any], list[Claim]]:
    """Measure a run, on other data where words say so; returns the summary, and the claims of a certificate if one is wanted."""
    if not turns:
        raise InputError(f"turns={turns}: expected angles in degrees, such as turns=[0,90]")
    place = pick_device(device)
    trained, (experiment, model) = Run(run), model_of(run, words)
    model = OrbitMean(model) if averaged else model
    pairs = experiment.pairs("test")
    if not leaks:
        no_leak("test", pairs.patients(), trained.patients())
    learned = model.fitting is Fitting.WEIGHTS
    test = {part: {k: v for k, v in experiment.config[part].items() if k not in NOT_THE_TEST} for part in TEST_SET}
    identity = {
        "run": f"{trained.name}/{trained.path.resolve().name}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "fitting": model.fitting.value,
        "seconds_per_step": seconds_per_step(trained) if learned else None,
        "training": _training(experiment.config, trained) if learned else {},
        "bytes_per_pair": bytes_for_backward(model, pairs.pair(0)[1]),
        "test": test | {"turns": turns, "images": len(pairs)},
    }
    results = Results(out or run)
    with results.claimed():
        summary = evaluate(model, pairs, turns, results, identity, place)
        return summary, certify_model(model, experiment.ray, *pairs.pair(0), results, place) if certificate else []


def _training(config: dict[str, Any], run: Run) -> dict[str, Any]:
    """What a learned model was made from."""
    status, fit = run.status(), config["fit"]
    made = {"images": status["images"], "steps": fit["steps"], "lr": fit["lr"], "seed": config["seed"]}
    return made | {"validation_psnr": status["best"]}
