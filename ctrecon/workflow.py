"""The verbs' work on configurations and paths: builds the objects, claims the run folder, and calls the verb."""

from pathlib import Path
from typing import Any

import torch
import yaml

from ctrecon.build import Experiment, read_geometry
from ctrecon.configure import amend, compose, parse, plain, what_it_is
from ctrecon.environment import environment, pick_device
from ctrecon.errors import InputError
from ctrecon.evaluate import evaluate, seconds_per_step
from ctrecon.files.image import check_output as check_image_output
from ctrecon.files.image import read_image, write_image
from ctrecon.files.sinogram import check_output as check_sinogram_output
from ctrecon.files.sinogram import read_sinogram, told_geometry, write_sinogram
from ctrecon.models.model import Model
from ctrecon.run import Run
from ctrecon.train import train

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
        train(run, model, fit, training, validation, device, values["seed"])
    return run


def evaluate_run(path: str, words: list[str], turns: list, out: str | None, device: str) -> dict[str, Any]:
    """Measure a run, on other data where words say so; returns the summary."""
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
        return evaluate(model, pairs, turns, results, identity, place)


def experiment_of(run: str | None, words: list[str]) -> Experiment:
    """The experiment of a run folder, or of conf/train.yaml, changed by words."""
    return Experiment(amend(Run(run).config(), words) if run else plain(compose(words)))


def model_of(run: str | None, words: list[str]) -> tuple[Experiment, Model]:
    """The experiment and its model: with the run's weights, or, without a run, freshly drawn."""
    experiment = experiment_of(run, words)
    model = experiment.model()
    if run:
        Run(run).load_weights(model)
    return experiment, model


@torch.no_grad()
def reconstruct(
    sinogram: str, out: str, run: str | None, dataset: str, index: int | None, unit: str, device: str, words: list[str]
) -> None:
    """Turn a sinogram file into an image file, with a trained run or a model without parameters."""
    experiment = experiment_of(run, words)
    chosen = run is not None or any(override.key_or_group.split(".")[0] == "geometry" for override in parse(words))
    _use_told_geometry(experiment, sinogram, chosen)
    y = read_sinogram(sinogram, dataset, index, unit, experiment.geometry)
    target = check_image_output(out)
    model = experiment.model()
    if run:
        Run(run).load_weights(model)
        _check_scale(sinogram, y, experiment)
    elif any(True for _ in model.parameters()):
        raise InputError("this model has parameters to learn: say run=DIR of a trained one, or model=fbp")
    where = pick_device(device)
    image = model.to(where).eval()(y.to(where)).cpu()[0, 0].numpy()
    write_image(target, image, experiment.geometry.pixel_m)


def _use_told_geometry(experiment: Experiment, sinogram: str, chosen: bool) -> None:
    """Take the geometry that comes with a sinogram, or check it against the one that was chosen."""
    told = told_geometry(sinogram)
    if told is None:
        return
    node = read_geometry(*told)
    if not chosen:
        experiment.config["geometry"] = node
        return
    theirs, ours = Experiment(experiment.config | {"geometry": node}).geometry, experiment.geometry
    # Pixels are the reconstruction's choice; the rays are the measurement's.
    if len({(type(g), g.shape, g.fov_m, tuple(g.angles_rad), g.bin_m) for g in (theirs, ours)}) > 1:
        shapes = [f"{g.shape[0]} views x {g.shape[1]} bins over {g.fov_m} m" for g in (theirs, ours)]
        raise InputError(
            f"{sinogram}: {told[0].name} says {shapes[0]}, another scan than the {shapes[1]} in use: leave one of them out"
        )


def _check_scale(sinogram: str, y: torch.Tensor, experiment: Experiment) -> None:
    # No path through the object is longer than the diagonal and no value above 1, noise apart.
    longest = 2**0.5 * experiment.geometry.fov_m
    if y.max() > 2 * longest:
        raise InputError(
            f"{sinogram}: values up to {y.max():.3g} m through an object of {longest:.3g} m; is it -log(I/I0)? then say unit=log"
        )


def simulate(image: str, out: str, index: int | None, unit: str, seed: int, words: list[str]) -> Path:
    """Scan an image file into a sinogram file; returns the path of the geometry written beside it."""
    experiment = Experiment(plain(compose(words)) | {"data": {"seed": seed}})
    x = read_image(image, index, unit)
    target = check_sinogram_output(out)
    _, y = experiment.scanner.scan(x, row=index or 0)
    return write_sinogram(target, y[0, 0].numpy(), yaml.safe_dump(experiment.config["geometry"], sort_keys=False))
