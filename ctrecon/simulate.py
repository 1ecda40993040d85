"""Scan somebody's image file into a sinogram file."""

from pathlib import Path

import yaml

from ctrecon.config.experiment import Experiment
from ctrecon.config.words import compose, options, plain
from ctrecon.files.image import read_image
from ctrecon.files.sinogram import check_output, write_sinogram


def main(words: list[str]) -> None:
    """ctrecon simulate."""
    chosen, rest = options("simulate", words)
    beside = simulate(**chosen, words=rest)
    print(f"written: {chosen.out}, its geometry: {beside}")


def simulate(image: str, out: str, index: int | None, unit: str, seed: int, words: list[str]) -> Path:
    """Scan an image file into a sinogram file; returns the path of the geometry written beside it."""
    experiment = Experiment(plain(compose(words)) | {"data": {"seed": seed}})
    x = read_image(image, index, unit)
    target = check_output(out)
    _, y = experiment.scanner.scan(x, row=index or 0)
    return write_sinogram(target, y[0, 0].numpy(), yaml.safe_dump(experiment.config["geometry"], sort_keys=False))
