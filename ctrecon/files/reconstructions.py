"""Reconstructions that another program made of our test sinograms: a folder in which both lie.

sinograms_TURN.h5   what is to be reconstructed, in the order of the test images, its geometry inside and beside it
images_TURN.npy     what became of it, N x H x W, as attenuation / mu_max unless the file says its unit; or .tif, or .h5 with a dataset
                    images (or image, as ctrecon reconstruct writes), or what else `files.array` reads
"""

from pathlib import Path

import numpy as np
import torch

from ctrecon.disk.hdf5 import holds, open_hdf5
from ctrecon.errors import InputError
from ctrecon.files.array import Shape, as_image, count, read_array
from ctrecon.files.image import PLAUSIBLE
from ctrecon.files.sinogram import check_output, write_sinogram
from ctrecon.files.stored import OPEN
from ctrecon.files.unit import UNITS, Unit
from ctrecon.shapes import Image, Sinogram


class Reconstructions:
    """The images of a folder, for test sinograms that are known.

    Args:
        folder: Where they lie.
        pixels: Rows and columns of an image.
        images: How many test images there are.
    """

    def __init__(self, folder: str | Path, pixels: int, images: int) -> None:
        self.folder, self.pixels, self.images = Path(folder), pixels, images
        self._stacks: dict[int | float, tuple[Path, str] | None] = {}
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"images={folder}: is a file; expected a folder")

    def sinograms(self, turn: int | float) -> Path:
        """Where the sinograms of a turn lie."""
        return self.folder / f"sinograms_{turn:g}.h5"

    def missing(self, turns: list[int | float]) -> list[int | float]:
        """The turns whose images are not there. Raises InputError as `image` does of a stack."""
        return [turn for turn in turns if self._stack(turn) is None]

    def image(self, turn: int | float, index: int, y: Sinogram) -> Image:
        """The image that was made of sinogram `index` at a turn.

        Raises:
            InputError: The folder's sinogram is another one than `y`, or there is no such image of finite values, of this size and a unit
                that is known, or there is another number of images.
        """
        found = self._stack(turn)
        if found is None:
            raise InputError(f"images={self.folder}: no images_{turn:g}.npy; expected a stack of {self.images} images")
        self._check_sinogram(turn, index, y)
        path, name = found
        array, label = read_array(path, name, index if self.images > 1 else None, lambda shape: self._check(path, shape))
        if label.unit is None and np.abs(array).mean() > PLAUSIBLE[1]:
            raise InputError(
                f"{path}: values up to {array.max():.4g} of a unit that it does not say; expected attenuation / mu_max (or a file that says its "
                "unit, as ctrecon reconstruct writes)"
            )
        unit = Unit(label.unit) if label.unit in UNITS else Unit.RELATIVE if label.unit is None else Unit.UNKNOWN
        if unit is Unit.UNKNOWN:
            raise InputError(f"{path}: says that its unit is {label.unit[:40]}; expected attenuation / mu_max, attenuation or HU")
        return unit.to_relative(as_image(array, str(path)))

    def write_sinograms(self, turn: int | float, y: list[Sinogram], geometry: str) -> None:
        """Write what is to be reconstructed at a turn, with the geometry as YAML text."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = check_output(str(self.sinograms(turn)), overwrite=True)
        write_sinogram(path, torch.cat(y)[:, 0].numpy(), geometry)

    def _stack(self, turn: int | float) -> tuple[Path, str] | None:
        """The file of a turn's images and the name of the dataset in it; None: it is missing."""
        if turn not in self._stacks:
            found = [path for suffix in OPEN if (path := self.folder / f"images_{turn:g}{suffix}").is_file()]
            if len(found) > 1:
                raise InputError(f"{found[0]} and {found[1].name}: two stacks for one turn; expected one: remove the other")
            self._stacks[turn] = (found[0], self._named(found[0], self.sinograms(turn))) if found else None
        return self._stacks[turn]

    def _named(self, path: Path, sinograms: Path) -> str:
        """The name of the dataset in a stack. Raises InputError where it holds another number of images."""
        name = "images"
        if path.suffix in (".h5", ".hdf5"):
            with open_hdf5(path) as file:
                name = "image" if holds(file, "image") else name
        if (there := count(path, name)) != self.images:
            raise InputError(f"{path}: {there} images; expected {self.images}, one for each sinogram of {sinograms.name}")
        return name

    def wanted(self, turns: list[int | float]) -> InputError:
        """What to do where the images of some turns are missing and their sinograms are written."""
        sinograms, images = (
            "; ".join(f"{kind}_{turn:g}.{end}" for turn in turns) for kind, end in (("sinograms", "h5"), ("images", "npy"))
        )
        return InputError(
            f"images={self.folder}: {self.images} test sinograms a turn are written there ({sinograms}: dataset sinogram, in metres, the geometry "
            f"in the YAML beside): reconstruct them in their order into {images}, each {self.images} x {self.pixels} x {self.pixels}, attenuation "
            "/ mu_max, and give the same command again"
        )

    def _check(self, path: Path, shape: Shape) -> None:
        if shape != (self.pixels, self.pixels):
            raise InputError(f"{path}: images of {shape[0]} x {shape[1]} pixels; expected {self.pixels} x {self.pixels}")

    def _check_sinogram(self, turn: int | float, index: int, y: Sinogram) -> None:
        """Raises InputError where the images are those of sinograms that other words gave."""
        path = self.sinograms(turn)
        if not path.is_file():
            return
        same = count(path, "sinogram") == self.images
        if same:
            array, _ = read_array(path, "sinogram", index if self.images > 1 else None, lambda shape: None)
            same = array.shape == y.shape[-2:] and np.allclose(array, y[0, 0].numpy(), rtol=1e-4, atol=1e-6)
        if not same:
            raise InputError(
                f"{path}: holds other sinograms than these words give, so that the images beside it are not of these: say the same scan, noise "
                "and data, or take another folder"
            )
