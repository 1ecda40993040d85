"""The projector that suits a scan and a machine."""

import psutil
import torch
from torch import Tensor

from ctrecon.physics.cuda import Cuda
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.matrix_free import MatrixFree
from ctrecon.physics.projector import Projector
from ctrecon.physics.stored_matrix import LARGEST, StoredMatrix, matrix_bytes

SHARE = 4  # the matrix and its transpose may take one part in so many of the memory


class Auto(Projector):
    """A stored matrix where it takes at most a quarter of the device's memory, else ASTRA without one.

    The memory that is installed counts, not what happens to be free: the same machine always chooses the same, to the last bit.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        self._chosen: dict[tuple[torch.device, torch.dtype], Projector] = {}

    @property
    def symmetric_to(self) -> float:
        return self.chosen().symmetric_to

    @property
    def transposed_to(self) -> float | None:
        return self.chosen().transposed_to

    def forward(self, x: Tensor) -> Tensor:
        return self.chosen()(x)

    def transpose(self, y: Tensor) -> Tensor:
        return self.chosen().transpose(y)

    def describe(self) -> str:
        device, needed = self.place.device, 2 * matrix_bytes(self.geometry)
        share = f"{needed / 2**30:.2g} of {memory(device) / 2**30:.3g} GiB"
        return f"{self.chosen().describe()} (auto: a stored matrix would be {share} on this {device.type})"

    def chosen(self) -> Projector:
        """The projector in use on the device where this one is."""
        device, key = self.place.device, (self.place.device, self.place.dtype)
        if key not in self._chosen:
            fits = 2 * matrix_bytes(self.geometry) <= min(memory(device) / SHARE, LARGEST)
            member = StoredMatrix if fits else Cuda if device.type == "cuda" else MatrixFree
            self._chosen[key] = member(self.geometry).to(self.place)
        return self._chosen[key]


def memory(device: torch.device) -> int:
    """Bytes of memory that a device has."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return psutil.virtual_memory().total
