"""Let a trained model learn a little more, from the sinograms of one scan alone."""

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import torch

from ctrecon.config.compose import identity
from ctrecon.config.experiment import Experiment
from ctrecon.config.kind import Device
from ctrecon.config.options import options
from ctrecon.config.place import File, RunFolder
from ctrecon.config.scan import scanned
from ctrecon.config.words import Words
from ctrecon.errors import InputError
from ctrecon.files.sinogram import SinogramFile, check_scale, geometry_with
from ctrecon.files.unit import Unit
from ctrecon.fitting.adapt import go_on
from ctrecon.machine.fabric import machine
from ctrecon.physics.facts import photons
from ctrecon.runs.run import Run
from ctrecon.shapes import Sinogram

# What a training is here where no word says otherwise: short, with a small rate, from what it is.
FIRST = ("scans=one", "augment=none", "objective=robust_equivariant_imaging", "fit=default")
SHORT = ("fit.steps=200", "fit.lr=3e-4", "fit.validate_every=20")
MOST = 64  # sinograms of a stack


def main(words: Iterable[str]) -> None:
    """ctrecon adapt."""
    chosen, rest = options("adapt", words)
    for line in adapt(**chosen, words=rest):
        print(line, flush=True)


def adapt(
    sinogram: File,
    run_dir: str,
    run: RunFolder,
    dataset: str,
    index: int | None,
    unit: Literal["metres", "log"] | None,
    device: Device,
    words: Words,
) -> Iterator[str]:
    """Go on training a run on the sinograms of a file, into a new run folder; gives what there is to say about it.

    Every fifth view is kept from the training and judges it: where the start explains those views best, the start is kept.
    """
    made = scanned(run, Words([*FIRST, *SHORT, *(str(word) for word in words)]), geometry_with(sinogram))
    if made is None:
        raise InputError(
            f"{sinogram}: no geometry with it; expected one, as text in the file or a YAML beside it, or geometry=NAME"
        )
    experiment, said = made
    y = _read(sinogram, dataset, index, unit, experiment)
    if not any(word.key.split(".")[0] == "noise" for word in words.parsed):
        noise = {"_target_": "ctrecon.physics.noise.Poisson", "photons": photons(y)}
        experiment = Experiment(experiment.config | {"noise": noise}, experiment.geometry)
        said += f"; noise of {noise['photons']:.3g} photons, told from the data (noise=poisson_10k noise.photons=N says it)"
    new, config = (
        Run(run_dir),
        identity(experiment.config) | {"adapted": {"weights": Run(run).weights_sha256(), "sinogram": sinogram, "index": index}},
    )
    new.check(config)
    if new.done():
        yield f"{run_dir}: done already; remove the folder to adapt again"
        return
    yield f"geometry: {said}"
    yield go_on(machine(device), experiment, config, Run(run), new, y)


def _read(sinogram: str, dataset: str, index: int | None, unit: str | None, experiment: Experiment) -> Sinogram:
    """The sinograms in metres. Raises InputError where their unit is not known."""
    with SinogramFile(sinogram, dataset, unit, experiment.geometry) as file:
        spread = np.unique(np.linspace(0, len(file) - 1, MOST).round().astype(int)).tolist()
        chosen = [index] if index is not None or len(file) == 1 else spread
        found = [file.read(number) for number in chosen]
    if any(of is not Unit.RELATIVE for _, of in found):
        raise InputError(
            f"{sinogram}: does not say its unit, and how much noise it has is told from that: say unit=log where it is -log(I/I0), "
            "unit=metres where it is that divided by mu_max"
        )
    for y, _ in found:
        check_scale(sinogram, y, experiment.geometry)
    return torch.cat([y for y, _ in found])
