"""Turn somebody's sinogram file into an image file."""

import math
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ctrecon.config.choice import choose
from ctrecon.config.compose import config_of
from ctrecon.config.experiment import Experiment
from ctrecon.config.kind import Device, Positive
from ctrecon.config.options import options
from ctrecon.config.place import DrawingOut, File, ImageOut, RunFolder
from ctrecon.config.scan import fitting, scanned
from ctrecon.config.words import Words
from ctrecon.disk.format import suffix_of
from ctrecon.errors import InputError
from ctrecon.files.array import read_array
from ctrecon.files.image import check_output, check_stack, write_image, write_stack
from ctrecon.files.sinogram import SinogramFile, check_scale, geometry_with
from ctrecon.files.unfinished import Unfinished
from ctrecon.files.unit import Unit
from ctrecon.fitting.progress import Bar
from ctrecon.machine.device import memory_bytes, pick_device
from ctrecon.models.fitting import Fitting
from ctrecon.models.model import Model
from ctrecon.physics.geometry import Geometry
from ctrecon.runs.run import Run
from ctrecon.shapes import Sinogram

CURE = "say unit=log where it is -log(I/I0), unit=metres where it is that divided by mu_max"
TOGETHER = 16  # sinograms of a stack that go through a model at a time, at most
SHOWN = 20  # lines about those that could not be reconstructed


def main(words: Iterable[str]) -> None:
    """ctrecon reconstruct."""
    chosen, rest = options("reconstruct", words)
    for line in reconstruct(**chosen, words=rest):
        print(line, flush=True)


def reconstruct(
    sinogram: File,
    out: ImageOut,
    run: RunFolder | None,
    dataset: str,
    index: int | Literal["all"] | None,
    unit: Literal["metres", "log", "unknown"] | None,
    centre: int | float | Literal["find"] | None,
    centre_out: DrawingOut | None,
    spacing_m: Positive | None,
    like: File | None,
    overwrite: bool,
    device: Device,
    words: Words,
) -> Iterator[str]:
    """Turn a sinogram file into an image file, with a trained run or a classical model; gives what there is to say about it.

    Raises:
        SystemExit: Some sinograms of a stack could not be reconstructed; the others are written, and the status is 1.
    """
    target, where, stack = check_output(out, sinogram, like, overwrite=overwrite), pick_device(device), index == "all"
    dicom = suffix_of(target) == ".dcm"
    if like and not dicom:
        raise InputError(f"like={like}: patient and study go into DICOM files only; expected out=NAME.dcm beside it")
    check_stack(target, stack)
    if spacing_m is not None and not stack:
        raise InputError(f"spacing_m={spacing_m:g}: is the distance between the images of a stack; expected index=all beside it")
    if centre_out and centre != "find":
        raise InputError(f"centre_out={centre_out}: is a picture of the search; expected centre=find beside it")
    source = _source(like) if like else None
    found = scanned(run, words, geometry_with(sinogram))
    if found is None:
        raise _no_geometry(sinogram, dataset, index)
    experiment, origin = found
    geometry = experiment.geometry
    lines = [f"geometry: {origin}, {geometry.shape[0]} views x {geometry.bins} bins, an image of {geometry.fov_m:.6g} m"]
    with SinogramFile(sinogram, dataset, unit, geometry) as file:
        y, of = file.read(len(file) // 2 if stack else index)  # the middle of an object is where most of it is
        if centre is not None:
            offset_m, line = _offset(centre, geometry, y, centre_out, overwrite)
            experiment = Experiment(experiment.config | {"geometry": experiment.config["geometry"] | {"offset_m": offset_m}})
            geometry = experiment.geometry
            lines.append(line)
        if run is None and not any(word.key.split(".")[0] in ("model", "experiment") for word in words.parsed):
            choice = choose(geometry, y, of is Unit.RELATIVE)
            config = config_of(choice.run, choice.words) | {"geometry": experiment.config["geometry"]}
            run, experiment = choice.run, Experiment(config, geometry)
            lines.append(choice.said)
        model = experiment.model(run)
        if not run and model.fitting is Fitting.WEIGHTS:
            raise InputError(
                f"model: {type(model).__name__} has parameters to learn: say run=DIR of a trained one, or model=fbp or tv"
            )
        if of is Unit.UNKNOWN:
            of, line = _of_unknown_unit(sinogram, unit, model, dicom)
            lines.append(line)
        if of is Unit.RELATIVE:
            check_scale(sinogram, y, geometry)
        model = model.to(where).eval()
        derivation = _derivation(model, run)
        failed: list[str] = []
        if stack:
            yield from lines  # now: what follows takes long
            lines = []
            of_file = [sinogram, Path(sinogram).stat().st_size, Path(sinogram).stat().st_mtime_ns]
            plan = {"file": of_file, "dataset": dataset, "unit": of.value, "made": derivation, "configuration": experiment.config}
            unfinished = Unfinished(target, (len(file), geometry.pixels, geometry.pixels), plan, overwrite)
            failed = _make(unfinished, file, of, model, where, out)
            apart_m = spacing_m or geometry.pixel_m
            write_stack(target, unfinished.images(), of, geometry.pixel_m, apart_m, source, derivation)
            unfinished.remove()
            if spacing_m is None:
                lines.append(f"assumed: the images are {apart_m:.6g} m apart, as wide as a pixel; spacing_m=METRES says otherwise")
        else:
            write_image(target, _images(model, y, where)[0], of, geometry.pixel_m, source, derivation)
    if source is not None and not _covers(source, geometry.fov_m, str(like)):
        lines.append(
            f"of {like} patient and study were taken, its place not: it does not cover the same square of {geometry.fov_m:.6g} m"
        )
    yield from lines
    yield f"written: {out}, {Unit.HU if dicom else of}" + f", {len(file)} images" * stack
    if failed:
        yield from failed[:SHOWN]
        yield f"{len(failed)} of {len(file)} sinograms could not be reconstructed; their images are {'left out' if dicom else 'NaN'}"
        raise SystemExit(1)


def _make(unfinished: Unfinished, file: SinogramFile, of: Unit, model: Model, where: torch.device, out: str) -> list[str]:
    """Make the images of a stack that are not done yet; returns a line for each that cannot be made, which is NaN."""
    total, pixels = unfinished.shape[:2]
    together = max(
        1, min(TOGETHER, memory_bytes(where) // (model.graph_bytes() + 64 * (pixels**2 + math.prod(file.geometry.shape))))
    )
    unfinished.keep(len(unfinished) // together * together)  # in the same groups as when nothing stops: equal to the last bit
    failed = {number: f"sinogram {number}: failed before the command was stopped" for number in unfinished.missing()}
    with Bar(out, total, len(unfinished), "image") as bar:
        while (first := len(unfinished)) < total:
            group = range(first, min(first + together, total))
            images, whole = np.full((len(group), pixels, pixels), np.nan, np.float32), {}
            for number in group:
                try:
                    y, _ = file.read(number)
                    if of is Unit.RELATIVE:
                        check_scale(file.path, y, file.geometry)
                    whole[number] = y
                except InputError as error:
                    failed[number] = f"sinogram {number}: {error}"
            if whole:
                made = _images(model, torch.cat(list(whole.values())), where)
                for number, image in zip(whole, made, strict=True):
                    if np.isfinite(image).all():
                        images[number - first] = image
                    else:
                        failed[number] = f"sinogram {number}: the model gives NaN or infinite values"
            unfinished.append(images)
            bar.update(len(group))
    return [failed[number] for number in sorted(failed)]


@torch.no_grad()
def _images(model: Model, y: Sinogram, where: torch.device) -> np.ndarray:
    """The images (B, H, W) of sinograms."""
    return model(y.to(where)).cpu()[:, 0].numpy()


def _offset(
    centre: int | float | Literal["find"], geometry: Geometry, y: Sinogram, out: str | None, overwrite: bool
) -> tuple[float, str]:
    """The detector's shift where the central ray meets a bin, or is found to, and what to say of it."""
    from ctrecon.measurement.centre import bin_of, find_centre, offset_of  # loads ASTRA

    if centre != "find":
        offset_m = offset_of(geometry, centre)
        return offset_m, f"centre: bin {centre:g}, geometry.offset_m={offset_m:.6g}"
    found = find_centre(geometry, y)
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


def _of_unknown_unit(sinogram: str, unit: str | None, model: Model, dicom: bool) -> tuple[Unit, str]:
    """The unit of the image that a model makes of values whose unit nobody says, and what to say: some models take any unit."""
    if model.homogeneous:
        if dicom:
            raise InputError(
                f"{sinogram}: does not say its unit, and out=*.dcm holds Hounsfield units: {CURE}; or choose another format than .dcm"
            )
        return Unit.UNKNOWN, f"the unit of {sinogram} is not known, and that of the image neither: {CURE}"
    if unit is not None:
        raise InputError(f"unit={unit}: this model works on attenuation / mu_max: {CURE}; or choose model=fbp, which takes any")
    return Unit.RELATIVE, f"assumed: {sinogram} is in metres, as ctrecon simulate writes; unit=log says that it is -log(I/I0)"


def _derivation(model: Model, run: str | None) -> str:
    """How an image is made, for files that have a place for that."""
    said = f"ctrecon {version('learned-ctrecon')}: {type(model).__name__}"
    return said + f", weights of sha256 {Run(run).weights_sha256()}" if run and model.fitting is Fitting.WEIGHTS else said


def _no_geometry(sinogram: str, dataset: str, index: int | str | None) -> InputError:
    """What to say where nobody says of which scan a sinogram is."""
    array, _ = read_array(Path(sinogram), dataset, 0 if index == "all" else index, lambda shape: None)
    names = fitting(array.shape)
    fit = f"of this shape: {', '.join(names)}" if names else "none of conf/geometry has this shape"
    return InputError(
        f"{sinogram}: {array.shape[0]} x {array.shape[1]} values and no geometry with them: say geometry=NAME ({fit}), or put a YAML like "
        f"those of conf/geometry beside it, as {Path(sinogram).with_suffix('.yaml').name}"
    )
