"""Turn somebody's sinogram file into an image file."""

import numpy as np
import torch

from ctrecon.config.experiment import Experiment, experiment_of, read_geometry
from ctrecon.config.words import options, parse
from ctrecon.errors import InputError
from ctrecon.files.image import check_output, write_image
from ctrecon.files.sinogram import read_sinogram, told_geometry
from ctrecon.machine.device import pick_device
from ctrecon.physics.geometry import Geometry
from ctrecon.runs.run import Run
from ctrecon.shapes import Sinogram


def main(words: list[str]) -> None:
    """ctrecon reconstruct."""
    chosen, rest = options("reconstruct", words)
    reconstruct(**chosen, words=rest)
    print(f"written: {chosen.out}")


@torch.no_grad()
def reconstruct(
    sinogram: str, out: str, run: str | None, dataset: str, index: int | None, unit: str, device: str, words: list[str]
) -> None:
    """Turn a sinogram file into an image file, with a trained run or a classical model."""
    experiment = experiment_of(run, words)
    chosen = run is not None or any(override.key_or_group.split(".")[0] == "geometry" for override in parse(words))
    _use_told_geometry(experiment, sinogram, chosen)
    y = read_sinogram(sinogram, dataset, index, unit, experiment.geometry)
    target = check_output(out)
    model = experiment.model()
    if run:
        Run(run).load_weights(model)
    elif any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError("this model has parameters to learn: say run=DIR of a trained one, or model=fbp or tv")
    if not model.homogeneous:
        _check_scale(sinogram, y, experiment)
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
    if not _same_rays(theirs, ours):
        shapes = [f"{g.shape[0]} views x {g.shape[1]} bins over {g.fov_m} m" for g in (theirs, ours)]
        raise InputError(
            f"{sinogram}: {told[0].name} says {shapes[0]}, another scan than the {shapes[1]} in use: leave one of them out"
        )


def _same_rays(one: Geometry, other: Geometry) -> bool:
    """Whether two geometries are of one measurement, up to rounding; pixels are the reconstruction's choice."""
    if (type(one), one.shape, one.fov_m) != (type(other), other.shape, other.fov_m):
        return False
    return np.allclose(one.frames(), other.frames(), rtol=0, atol=1e-9 * one.fov_m)


def _check_scale(sinogram: str, y: Sinogram, experiment: Experiment) -> None:
    # No path through the object is longer than the diagonal and no value above 1, noise apart.
    longest = 2**0.5 * experiment.geometry.fov_m
    if y.max() > 2 * longest:
        raise InputError(
            f"{sinogram}: values up to {y.max():.3g} m through an object of {longest:.3g} m; is it -log(I/I0)? then say unit=log"
        )
