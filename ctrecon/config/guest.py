"""The name of a guest -> the guest: this imports and calls somebody's code.

So the name comes from the command line or from the user's own contestants file only. Configurations travel, and none can name a guest:
`config.make` calls what lies in the room of its noun, which this function does not.
"""

import importlib
import sys
from pathlib import Path

from ctrecon.errors import InputError
from ctrecon.models.guest import Guest, failed
from ctrecon.physics.geometry import Geometry


def guest_of(name: str, geometry: Geometry) -> Guest:
    """The guest package.module:function, built for a geometry; what lies in the working directory can be imported.

    Raises:
        InputError: There is no such module or function, or it fails, or gives nothing that can be called.
    """
    module, _, function = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # and stays: a guest may import more when it is called
    try:
        found = getattr(importlib.import_module(module), function, None)
    except Exception as error:  # whatever a stranger's code raises
        raise failed(name, f"module {module} cannot be imported from here or from what is installed", error) from error
    if not callable(found):
        raise InputError(f"guest={name}: module {module} has no function {function}; expected package.module:function")
    try:
        reconstruct = found(geometry)
    except Exception as error:
        raise failed(name, f"{function}(geometry) failed", error) from error
    if not callable(reconstruct):
        raise InputError(
            f"guest={name}: {function}(geometry) gave a {type(reconstruct).__name__}; expected a callable from sinograms to images"
        )
    return Guest(geometry, name, reconstruct)
