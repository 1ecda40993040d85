"""Scan somebody's image file into a sinogram file."""

from typing import Literal

from ctrecon.config.compose import compose, says_field_of_view
from ctrecon.config.experiment import Experiment
from ctrecon.config.field_of_view import sized
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
    for line in simulate(**chosen, words=rest):
        print(line)


def simulate(
    image: File,
    out: str,
    index: int | None,
    unit: Literal["relative", "attenuation", "HU"] | None,
    seed: Seed,
    overwrite: bool,
    words: Words,
) -> list[str]:
    """Scan an image file into a sinogram file, its geometry beside it; returns what there is to say about it."""
    target, config = check_output(out, image, overwrite=overwrite), compose(words)
    source = read_image(image, index, unit)
    config["geometry"], size = sized(config["geometry"], [source.side_m], says_field_of_view(words))
    experiment = Experiment(config)
    scanner = Scanner(experiment.geometry, experiment.noise, seed, experiment.projector)
    _, y = scanner.scan(source.x, row=index or 0)
    beside = write_sinogram(target, y[0, 0].numpy(), as_yaml(config["geometry"]))
    return [*([source.assumed] if source.assumed else []), size, f"written: {out}, its geometry: {beside}"]
