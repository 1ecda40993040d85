"""Which rows of a collection train, validate and test: by patient, in nested subsets."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from ctrecon.errors import InputError

SPLITS = ("train", "val", "test")
PORTION = {"val": 0.15, "test": 0.2}  # of the patients, where a collection brings no split of its own


class Split:
    """The rows of each split, by patient.

    Rows are ordered one of each patient, patients in an order drawn from the seed, then a second of each, and so on. A subset is
    the first few: subsets are nested, a small one shows many patients, and no patient is in two splits.

    Args:
        name: What the collection is called in errors.
        patients: Patient of each row.
        given: Split of each row, or None: drawn by patient from the seed. With fewer than 3 patients nothing can be trained on
            without a leak, and all rows are for testing.
        seed: Draws the order of patients and the missing split.

    Raises:
        InputError: A patient is in two splits, or a split has an unknown name.
    """

    def __init__(self, name: str, patients: Sequence[str], given: Sequence[str] | None, seed: int) -> None:
        self.name = name
        order = np.random.default_rng(seed).permutation(sorted(set(patients))).tolist()
        home = dict(zip(order, _drawn(len(order)), strict=True)) if given is None else _homes(name, patients, given)
        place = {patient: k for k, patient in enumerate(order)}
        seen: dict[str, int] = defaultdict(int)
        ranked: dict[str, list[tuple[int, int, int]]] = {split: [] for split in SPLITS}
        for row, patient in enumerate(patients):
            ranked[home[patient]].append((seen[patient], place[patient], row))
            seen[patient] += 1
        self._rows = {split: [row for *_, row in sorted(ranks)] for split, ranks in ranked.items()}

    def rows(self, split: str) -> list[int]:
        """All rows of a split. Raises InputError where there is none."""
        if not self._rows[split]:
            raise InputError(
                f"{self.name}: no images in split {split}; expected rows marked {split}, or at least 3 patients to draw from"
            )
        return self._rows[split]


def no_leak(split: str, people: Iterable[str], others: dict[str, list[str]]) -> None:
    """Raises InputError where a patient of a split is among those of others, by split."""
    for other, theirs in others.items():
        both = sorted(set(people) & set(theirs))
        if both:
            raise InputError(
                f"patient {both[0]} of split {split} is also in {other} ({len(both)} such patients): a model must not be measured on whom it "
                "knows; keep data.seed and the file's split, or say leaks=true to measure all the same"
            )


def _drawn(patients: int) -> list[str]:
    if patients < 3:
        return ["test"] * patients
    val, test = (max(1, round(PORTION[split] * patients)) for split in ("val", "test"))
    return ["val"] * val + ["test"] * test + ["train"] * (patients - val - test)


def _homes(name: str, patients: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    home: dict[str, str] = {}
    for patient, split in zip(patients, given, strict=True):
        if split not in SPLITS:
            raise InputError(f"{name}: split {split!r}; expected one of {', '.join(SPLITS)}")
        if home.setdefault(patient, split) != split:
            raise InputError(f"{name}: patient {patient} is in splits {home[patient]} and {split}; expected each patient in one")
    return home
