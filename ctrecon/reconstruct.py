"""Turn somebody's sinogram file into an image file."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctrecon.config.compose import config_of
from ctrecon.config.experiment import Experiment, read_geometry
from ctrecon.config.kind import Device
from ctrecon.config.options import options
from ctrecon.config.place import File, RunFolder
from ctrecon.config.words import Words
from ctrecon.errors import InputError
from ctrecon.files.image import check_output, write_image
from ctrecon.files.sinogram import geometry_with, read_sinogram
from ctrecon.machine.device import pick_device
from ctrecon.models.fitting import Fitting
from ctrecon.physics.geometry import Geometry
from ctrecon.runs.run import Run
from ctrecon.shapes import Sinogram


def main(words: list[str]) -> None:
    """ctrecon reconstruct."""
    chosen, rest = options("reconstruct", words)
    reconstruct(**chosen, words=rest)
    print(f"written: {chosen['out']}")


@torch.no_grad()
def reconstruct(
    sinogram: File, out: str, run: RunFolder | None, dataset: str, index: int | None, unit: str, device: Device, words: Words
) -> None:
    """Turn a sinogram file into an image file, with a trained run or a classical model."""
    target, where = check_output(out, sinogram), pick_device(device)
    experiment = _experiment(sinogram, run, words)
    y = read_sinogram(sinogram, dataset, index, unit, experiment.geometry)
    model = experiment.model()
    if run:
        Run(run).load_weights(model)
    elif model.fitting is Fitting.WEIGHTS:
        raise InputError("this model has parameters to learn: say run=DIR of a trained one, or model=fbp or tv")
    if not model.homogeneous:
        _check_scale(sinogram, y, experiment.geometry)
    image = model.to(where).eval()(y.to(where)).cpu()[0, 0].numpy()
    write_image(target, image, experiment.geometry.pixel_m)


def _experiment(sinogram: str, run: RunFolder | None, words: Words) -> Experiment:
    """The experiment of words or a run, of the geometry that comes with the sinogram unless another one was chosen."""
    config, beside = config_of(run, words), geometry_with(sinogram)
    if beside is None:
        return Experiment(config)
    where, text = beside
    node, theirs = read_geometry(where, text)
    if run is None and not any(word.key.split(".")[0] == "geometry" for word in words.parsed):
        return Experiment(config | {"geometry": node}, theirs)
    experiment = Experiment(config)
    _check_same_scan(where, theirs, experiment.geometry)
    return experiment


def _check_same_scan(where: Path, theirs: Geometry, ours: Geometry) -> None:
    """Raises InputError where two geometries are not of one measurement, up to rounding; pixels are the reconstruction's choice."""
    if (type(theirs), theirs.shape, theirs.fov_m) == (type(ours), ours.shape, ours.fov_m) and np.allclose(
        theirs.frames(), ours.frames(), rtol=0, atol=1e-9 * ours.fov_m
    ):
        return
    there, here = (
        {"class": type(g).__name__} | {f.name: _brief(getattr(g, f.name)) for f in fields(g) if f.init} for g in (theirs, ours)
    )
    keys = [key for key in {**there, **here} if key != "pixels" and there.get(key) != here.get(key)]
    different = "; ".join(f"{key}: {there.get(key)} there, {here.get(key)} here" for key in keys)
    raise InputError(f"{where}: another geometry than the one in use ({different}): leave one of them out")


def _brief(value: Any) -> str:
    """A value, or what is worth saying of a long list."""
    many = isinstance(value, tuple) and len(value) > 2
    if many:
        return f"{len(value)} numbers, {value[0]:g} to {value[-1]:g}"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _check_scale(sinogram: str, y: Sinogram, geometry: Geometry) -> None:
    # No path through the object is longer than the diagonal and no value above 1, noise apart.
    longest = 2**0.5 * geometry.fov_m
    if y.max() > 2 * longest:
        raise InputError(
            f"{sinogram}: values up to {y.max():.3g} m through an object of {longest:.3g} m; is it -log(I/I0)? then say unit=log"
        )
