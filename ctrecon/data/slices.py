"""CT slices in one HDF5 file."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ctrecon.data.collection import Collection
from ctrecon.data.split import Split
from ctrecon.files.slices import SliceFile


class Slices(Collection):
    """The images of a file (`ctrecon.files.slices` has its layout). Rows are read when asked for.

    Args:
        file: Path of the HDF5 file.
        seed: Of the order of patients, and of the split where the file has none.

    Attributes:
        unit: Of the values in the file.

    Raises:
        InputError: The file is missing, truncated or laid out otherwise, or a patient is in two splits.
    """

    def __init__(self, file: str, seed: int = 0) -> None:
        self._file = SliceFile(file)
        self.unit = self._file.unit
        self._split = Split(str(file), self._file.patients, self._file.splits, seed)

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        return self._file.image(row)

    def patient(self, row: int) -> str:
        return self._file.patients[row]

    def rows(self, split: str) -> Sequence[int]:
        return self._split.rows(split)

    def sides_m(self) -> Sequence[float | None]:
        return [self._file.side_m(row) for row in range(len(self._file))]
