"""What an objective sees: a model on a scan, sinograms, and what the model makes of them."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from ctrecon.models.model import Model
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.noise import Noise
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram

# Root mean square of A x - y over the width of a pixel, x on the grid and y of the object: 0.08 and 0.09 for CT slices of 64 and of 128 pixels,
# and hardly another on long lines than on short ones.
PIXEL = 0.1


class Setting:
    """A model on one scan, with the physics of that scan.

    Args:
        model: The model.
        ray: Gives the ray transform on its grid, when asked for.
        noise: That of its sinograms.
        held_out: Which set of views judges the model where there is no truth; None: the sets take turns.
    """

    def __init__(self, model: Model, ray: Callable[[], RayTransform], noise: Noise, held_out: int | None = None) -> None:
        self.model, self._ray, self.noise, self.held_out = model, ray, noise, held_out
        self._on: dict[tuple[int, ...], Model] = {}

    @property
    def geometry(self) -> Geometry:
        """The scan."""
        return self.model.geometry

    @cached_property
    def ray(self) -> RayTransform:
        """The ray transform."""
        return self._ray()

    def project(self, x: Image) -> Sinogram:
        """A x, on the device of the images."""
        return self.ray.to(x.device)(x)

    @property
    def error_m(self) -> float:
        """What is wrong with the sinogram even of the best image on this grid, whose pixels are not the object."""
        return PIXEL * self.geometry.pixel_m

    def deviance(self, expected: Sinogram, y: Sinogram) -> Sinogram:
        """How badly a noise-free sinogram of an image on this grid explains a measured one, ray by ray."""
        return self.noise.deviance(expected, y, self.error_m)

    def on_views(self, places: Sequence[int]) -> Model:
        """The model on a part of the views, made once, sharing its parameters.

        Raises:
            InputError: The parameters have the shapes of the whole scan.
        """
        places = tuple(places)
        if places not in self._on:
            self._on[places] = self.model.on(self.geometry.of_views(places))
        return self._on[places].train(self.model.training)


class Attempt:
    """A model before sinograms.

    Args:
        setting: The model on its scan.
        y: The sinograms.
        x: The true images; None where the objective needs none.
        draw: What is random of a training step, the same for all pairs of it.

    Attributes:
        setting, y, x, draw: As above.
    """

    def __init__(self, setting: Setting, y: Sinogram, x: Image | None, draw: np.random.Generator) -> None:
        self.setting, self.y, self.x, self.draw = setting, y, x, draw

    def reconstruct(self, y: Sinogram) -> Image:
        """The model's images of other sinograms, in full precision."""
        return self.setting.model(y).float()

    @cached_property
    def image(self) -> Image:
        """The model's images, computed once for all terms of a sum."""
        return self.reconstruct(self.y)

    @cached_property
    def predicted(self) -> Sinogram:
        """Their sinograms."""
        return self.setting.project(self.image)
