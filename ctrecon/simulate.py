"""Scan somebody's image file into a sinogram file."""

from pathlib import Path

from ctrecon.config.experiment import experiment_of
from ctrecon.config.kind import Seed
from ctrecon.config.options import options
from ctrecon.config.place import File
from ctrecon.config.words import Words
from ctrecon.data.scanner import Scanner
from ctrecon.disk.yaml_file import as_yaml
from ctrecon.files.image import read_image
from ctrecon.files.sinogram import check_output, write_sinogram


def main(words: list[str]) -> None:
    """ctrecon simulate."""
    chosen, rest = options("simulate", words)
    beside = simulate(**chosen, words=rest)
    print(f"written: {chosen['out']}, its geometry: {beside}")


def simulate(image: File, out: str, index: int | None, unit: str, seed: Seed, words: Words) -> Path:
    """Scan an image file into a sinogram file; returns the path of the geometry written beside it."""
    target, experiment = check_output(out, image), experiment_of(None, words)
    x = read_image(image, index, unit)
    scanner = Scanner(experiment.geometry, experiment.noise, seed, experiment.projector)
    _, y = scanner.scan(x, row=index or 0)
    return write_sinogram(target, y[0, 0].numpy(), as_yaml(experiment.config["geometry"]))
