"""Which images of a collection an experiment uses."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from ctrecon.data.collection import Collection
from ctrecon.errors import InputError


@dataclass(frozen=True)
class Selection:
    """How many images of each split, from the front: subsets are nested.

    Attributes:
        train_size: Images to train on, None: all; likewise val_size and test_size.
        limit: At most that many images of each split, to try a large collection quickly; None: no limit.

    Raises:
        InputError: A number is none, or below 1.
    """

    train_size: int | None = None
    val_size: int | None = None
    test_size: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            size = getattr(self, field.name)
            if size is not None and (not isinstance(size, int) or size < 1):
                raise InputError(f"data.{field.name}={size}: expected a whole number of at least 1, or null for all")

    def rows(self, collection: Collection, split: str) -> Sequence[int]:
        """The rows of a split that are used. Raises InputError where there are fewer than asked for."""
        rows, size = collection.rows(split), getattr(self, f"{split}_size")
        if size is not None and size > len(rows):
            raise InputError(f"data.{split}_size={size}: split {split} has {len(rows)} images; ask for at most that")
        return rows[:size][: self.limit]
