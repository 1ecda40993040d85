"""Learned CT reconstruction with rotation-equivariant, ODE-discretised blocks.

A Geometry gives a RayTransform; a DataTerm says which way is downhill; a ConvFamily says what a feature is; a VectorField
built from it is flowed by an Integrator inside a Block; Unrolled alternates data step and block; `train` fits it,
`evaluate` measures it, `compare` sets runs side by side, `reconstruct` uses it.

    import ctrecon
    model = ctrecon.load("runs/study-c4/0")
    image = model(sinogram)
"""

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ctrecon.models.reconstructor import Reconstructor

__version__ = version("learned-ctrecon")


def load(run: "str | Path", device: str = "auto") -> "Reconstructor":
    """The model of a run, trained, tuned or classical, ready to reconstruct sinograms.

    Args:
        run: A run folder, runs/NAME/SEED, or runs/NAME where there is one seed in it; zoo/NAME, a model that comes with the package.
        device: auto, cpu or cuda.

    Raises:
        InputError: There is no such run, its files are damaged, or it has not been trained.
    """
    from ctrecon.config.experiment import model_of  # torch and all that is needed: seconds, which `import ctrecon` does not take
    from ctrecon.config.place import OneRun
    from ctrecon.machine.device import pick_device
    from ctrecon.models.reconstructor import Reconstructor

    return Reconstructor(model_of(OneRun("folder").found(str(run)), [])[1], pick_device(device))
