"""Scan somebody's image file into a sinogram file."""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from ctrecon.config.compose import compose, says_field_of_view
from ctrecon.config.experiment import Experiment
from ctrecon.config.field_of_view import sized
from ctrecon.config.kind import Seed
from ctrecon.config.options import options
from ctrecon.config.place import File, SinogramOut
from ctrecon.config.words import Words
from ctrecon.data.scanner import Scanner
from ctrecon.disk.yaml_file import as_yaml
from ctrecon.files.image import read_images
from ctrecon.files.sinogram import check_output, write_sinogram


def main(words: Iterable[str]) -> None:
    """ctrecon simulate."""
    chosen, rest = options("simulate", words)
    for line in simulate(**chosen, words=rest):
        print(line)


def simulate(
    image: File,
    out: SinogramOut,
    index: int | Literal["all"] | None,
    unit: Literal["relative", "attenuation", "HU"] | None,
    seed: Seed,
    overwrite: bool,
    words: Words,
) -> list[str]:
    """Scan an image file into a sinogram file, its geometry beside it; returns what there is to say about it."""
    target, config = check_output(out, image, overwrite=overwrite), compose(words)
    sources = read_images(image, index, unit)
    rows = range(len(sources)) if index == "all" else [index]
    config["geometry"], size = sized(config["geometry"], [one.side_m for one in sources], says_field_of_view(words))
    experiment = Experiment(config)
    scanner = Scanner(experiment.geometry, experiment.noise, seed, experiment.projector)
    y = np.stack([scanner.scan(one.x, row=row or 0)[1][0, 0].numpy() for row, one in zip(rows, sources, strict=True)])
    beside = write_sinogram(target, y if index == "all" else y[0], as_yaml(config["geometry"]))
    assumed = dict.fromkeys(one.assumed for one in sources if one.assumed)
    return [*assumed, size, f"written: {out}, its geometry: {beside}"]
