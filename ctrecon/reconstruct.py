"""Turn somebody's sinogram file into an image file."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ctrecon.config.choice import choose
from ctrecon.config.compose import config_of
from ctrecon.config.experiment import Experiment
from ctrecon.config.kind import Device
from ctrecon.config.options import options
from ctrecon.config.place import DrawingOut, File, ImageOut, RunFolder
from ctrecon.config.scan import fitting, scanned
from ctrecon.config.words import Words
from ctrecon.disk.format import suffix_of
from ctrecon.errors import InputError
from ctrecon.files.array import count, read_array
from ctrecon.files.image import check_output, check_stack, write_image
from ctrecon.files.sinogram import check_scale, geometry_with, read_sinogram
from ctrecon.files.unit import Unit
from ctrecon.machine.device import pick_device
from ctrecon.models.fitting import Fitting
from ctrecon.models.model import Model
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram

CURE = "say unit=log where it is -log(I/I0), unit=metres where it is that divided by mu_max"


def main(words: Iterable[str]) -> None:
    """ctrecon reconstruct."""
    chosen, rest = options("reconstruct", words)
    for line in reconstruct(**chosen, words=rest):
        print(line)


@torch.no_grad()
def reconstruct(
    sinogram: File,
    out: ImageOut,
    run: RunFolder | None,
    dataset: str,
    index: int | Literal["all"] | None,
    unit: Literal["metres", "log", "unknown"] | None,
    centre: int | float | Literal["find"] | None,
    centre_out: DrawingOut | None,
    like: File | None,
    overwrite: bool,
    device: Device,
    words: Words,
) -> list[str]:
    """Turn a sinogram file into an image file, with a trained run or a classical model; returns what there is to say about it."""
    target, where = check_output(out, sinogram, like, overwrite=overwrite), pick_device(device)
    dicom = suffix_of(target) == ".dcm"
    if like and not dicom:
        raise InputError(f"like={like}: patient and study go into DICOM files only; expected out=NAME.dcm beside it")
    if index == "all":
        check_stack(target)
    if centre_out and centre != "find":
        raise InputError(f"centre_out={centre_out}: is a picture of the search; expected centre=find beside it")
    source = _source(like) if like else None
    found = scanned(run, words, geometry_with(sinogram))
    if found is None:
        raise _no_geometry(sinogram, dataset, index)
    experiment, origin = found
    geometry = experiment.geometry
    lines = [f"geometry: {origin}, {geometry.shape[0]} views x {geometry.bins} bins, an image of {geometry.fov_m:.6g} m"]
    if centre is not None:
        one = count(Path(sinogram), dataset) // 2 if index == "all" else index  # the middle of an object is where most of it is
        offset_m, line = _offset(
            centre, geometry, lambda: read_sinogram(sinogram, dataset, one, unit, geometry)[0], centre_out, overwrite
        )
        experiment = Experiment(experiment.config | {"geometry": experiment.config["geometry"] | {"offset_m": offset_m}})
        geometry = experiment.geometry
        lines.append(line)
    if run is None and not any(word.key.split(".")[0] in ("model", "experiment") for word in words.parsed):
        y, of = read_sinogram(sinogram, dataset, 0 if index == "all" else index, unit, geometry)
        choice = choose(geometry, y, of is Unit.RELATIVE)
        run, experiment = (
            choice.run,
            Experiment(config_of(choice.run, choice.words) | {"geometry": experiment.config["geometry"]}, geometry),
        )
        lines.append(choice.said)
    model = experiment.model(run)
    if not run and model.fitting is Fitting.WEIGHTS:
        raise InputError(f"model: {type(model).__name__} has parameters to learn: say run=DIR of a trained one, or model=fbp or tv")
    model, images = model.to(where).eval(), []
    for which in range(count(Path(sinogram), dataset)) if index == "all" else [index]:
        y, of = read_sinogram(sinogram, dataset, which, unit, geometry)
        if of is Unit.UNKNOWN:
            y, of, line = _of_unknown_unit(sinogram, dataset, which, unit, experiment, model, y, dicom)
            lines += [line] if line not in lines else []
        if of is Unit.RELATIVE:
            check_scale(sinogram, y, geometry)
        images.append(model(y.to(where)).cpu()[0, 0].numpy())
    write_image(target, np.stack(images) if index == "all" else images[0], of, geometry.pixel_m, source)
    if source is not None and not _covers(source, geometry.fov_m, str(like)):
        lines.append(
            f"of {like} patient and study were taken, its place not: it does not cover the same square of {geometry.fov_m:.6g} m"
        )
    return [*lines, f"written: {out}, {Unit.HU if dicom else of}"]


def _offset(
    centre: int | float | Literal["find"], geometry: Geometry, read: Callable[[], Sinogram], out: str | None, overwrite: bool
) -> tuple[float, str]:
    """The detector's shift where the central ray meets a bin, or is found to, and what to say of it."""
    from ctrecon.measurement.centre import bin_of, find_centre, offset_of  # loads ASTRA

    if centre != "find":
        offset_m = offset_of(geometry, centre)
        return offset_m, f"centre: bin {centre:g}, geometry.offset_m={offset_m:.6g}"
    found = find_centre(geometry, read())
    if out:
        from ctrecon.report.centre import draw  # loads matplotlib
        from ctrecon.report.drawing import write_drawing

        write_drawing(draw(found, geometry), out, overwrite)
    error = found.error_m / geometry.bin_m
    return (
        found.offset_m,
        f"centre: bin {bin_of(geometry, found.offset_m):.2f}, found in the data with a standard error of {error:.2f} bins, "
        f"geometry.offset_m={found.offset_m:.6g}" + f"; {out} shows the search" * bool(out),
    )


def _source(like: str) -> Any:
    from ctrecon.files.ct_image import read_source  # pydicom takes a third of a second to load

    return read_source(like)


def _covers(source: Any, fov_m: float, like: str) -> bool:
    from ctrecon.files.ct_image import corner_of

    return corner_of(source, fov_m, like) is not None


def _of_unknown_unit(
    sinogram: str, dataset: str, index: int | None, unit: str | None, experiment: Experiment, model: Model, y: Sinogram, dicom: bool
) -> tuple[Sinogram, Unit, str]:
    """What goes into the model, the unit of the image that comes of it, and what to say: some models take any unit."""
    if model.homogeneous:
        if dicom:
            raise InputError(
                f"{sinogram}: does not say its unit, and out=*.dcm holds Hounsfield units: {CURE}; or choose another format than .dcm"
            )
        return y, Unit.UNKNOWN, f"the unit of {sinogram} is not known, and that of the image neither: {CURE}"
    if unit is not None:
        raise InputError(f"unit={unit}: this model works on attenuation / mu_max: {CURE}; or choose model=fbp, which takes any")
    y, of = read_sinogram(sinogram, dataset, index, "metres", experiment.geometry)
    return y, of, f"assumed: {sinogram} is in metres, as ctrecon simulate writes; unit=log says that it is -log(I/I0)"


def _no_geometry(sinogram: str, dataset: str, index: int | str | None) -> InputError:
    """What to say where nobody says of which scan a sinogram is."""
    array, _ = read_array(Path(sinogram), dataset, 0 if index == "all" else index, lambda shape: None)
    names = fitting(array.shape)
    fit = f"of this shape: {', '.join(names)}" if names else "none of conf/geometry has this shape"
    return InputError(
        f"{sinogram}: {array.shape[0]} x {array.shape[1]} values and no geometry with them: say geometry=NAME ({fit}), or put a YAML like "
        f"those of conf/geometry beside it, as {Path(sinogram).with_suffix('.yaml').name}"
    )
