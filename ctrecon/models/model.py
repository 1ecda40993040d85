"""A model maps sinograms to images."""

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.models.fitting import Fitting
from ctrecon.ode.promise import Promise
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Image, Sinogram


def quarter_turn(x: Tensor) -> Tensor:
    """Images and scalar channels (..., H, W), turned by 90 degrees."""
    return x.rot90(1, (-2, -1))


@dataclass(frozen=True)
class Stop:
    """A learned part of a model, at the place where an image comes by on its way.

    Attributes:
        name: Such as "cell 2".
        part: From images and scalar channels to images and scalar channels, all on one grid, mostly the image's.
        inputs: What goes in there.
        promises: What the part promises of itself, measured at these inputs.
        on_images: The part as a map from one image to one image, where it is that and has a Lipschitz constant.
        lipschitz: That constant, on images of every size.
        turn: What a quarter turn of the object does on that grid. It may raise InputError where the grid has none.
    """

    name: str
    part: nn.Module
    inputs: tuple[Tensor, ...]
    promises: tuple[Promise, ...] = ()
    on_images: Callable[[Image], Image] | None = None
    lipschitz: float | None = None
    turn: Callable[[Tensor], Tensor] = quarter_turn


@dataclass(frozen=True)
class Iteration:
    """An iteration that may go on for ever: x <- step(x) from a start.

    Attributes:
        start: The first image.
        step: One iteration.
        converges: Whether theory says that no step is longer than the one before.
    """

    start: Image
    step: Callable[[Image], Image]
    converges: bool


class Model(nn.Module, abc.ABC):
    """A reconstruction method for one geometry, and its answers to what commands and certificates ask of every model.

    A new architecture answers by overriding what is said here, all of which has a default: `fitting`, `rotations`, `describe`, and, where it has
    learned parts, `stops`, `iteration`, `noise_growth` and `graph_bytes`.

    Args:
        geometry: The scan that it reconstructs.

    Attributes:
        fitting: What training chooses of it.
        homogeneous: Whether c times the sinogram gives c times the image for c > 0, so that data of any unit may go in.
        rotations: Number of rotations over a full turn that pass through by construction, where the scan shares them; 1: none.
        maker: Makes such a model for another geometry, with parameters of its own; None: nobody said how.
    """

    fitting: Fitting = Fitting.NOTHING
    homogeneous: bool = False
    rotations: int = 1
    maker: Callable[[Geometry], "Model"] | None = None

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry

    @abc.abstractmethod
    def forward(self, y: Sinogram) -> Image:
        """The image of a sinogram. Raises InputError where the sinogram is not of this geometry."""

    def on(self, geometry: Geometry) -> "Model":
        """This model for another scan: its own parameters, shared, not copied.

        Raises:
            InputError: Its parameters have the shapes of this scan, or nobody said how it is made.
        """
        if self.maker is None:
            raise InputError(
                f"{type(self).__name__}: was made by hand, for one scan; expected a model that a configuration describes"
            )
        other = self.maker(geometry)
        mine = dict(self.named_parameters())
        theirs = {name: tuple(p.shape) for name, p in other.named_parameters()}
        if theirs != {name: tuple(p.shape) for name, p in mine.items()}:
            raise InputError(
                f"{type(self).__name__}: what it learned belongs to scans like its own; expected one over the same turn"
            )
        for name in theirs:
            owner, _, leaf = name.rpartition(".")
            setattr(other.get_submodule(owner), leaf, mine[name])
        return other.train(self.training)

    def describe(self) -> dict[str, str]:
        """What it is made of, for `show`: lines by name."""
        return {}

    def stops(self, y: Sinogram) -> Iterator[Stop]:
        """Its learned parts, each once, with what goes in for that sinogram."""
        yield from ()

    def iteration(self, y: Sinogram) -> Iteration | None:
        """Its one iteration, if it has one that may go on for ever."""
        return None

    def noise_growth(self, growth: Callable[["Model"], float]) -> float | None:
        """A bound of |dx| ||A|| / |dy|, the growth of noise from sinogram to image; None: theory gives none.

        Args:
            growth: Measures it for a model that this one starts with.
        """
        return None

    def graph_bytes(self) -> int:
        """What derivatives of derivatives keep of one image, roughly; little for a classical model."""
        return 0
