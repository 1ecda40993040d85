"""Which rows train, validate and test: every row once, patients in rounds, drawn from the seed."""

import numpy as np
import pytest
from conftest import write_slices

from ctrecon.data.selection import Selection
from ctrecon.data.slices import Slices
from ctrecon.data.split import SPLITS, Split
from ctrecon.errors import InputError

PATIENTS = [f"P{k % 23}" for k in range(100)]


@pytest.mark.parametrize("given", [None, [SPLITS[int(patient[1:]) % 3] for patient in PATIENTS]], ids=["drawn", "given"])
def test_every_row_is_in_one_split_and_patients_come_in_rounds(given):
    """First one row of each patient, then a second one in the same order of patients; a patient's rows in the order of the file."""
    split = Split("x", PATIENTS, given, seed=3)
    assert sorted(row for name in SPLITS for row in split.rows(name)) == list(range(100))
    for name in SPLITS:
        rows = split.rows(name)
        people = list(dict.fromkeys(PATIENTS[row] for row in rows))
        rounds = []
        for number in range(5):
            rounds += [own[number] for one in people if number < len(own := [r for r, p in enumerate(PATIENTS) if p == one])]
        assert rows == rounds
        if given:
            assert {given[row] for row in rows} == {name}


@pytest.mark.parametrize(("patients", "val", "test"), [(3, 1, 1), (10, 2, 2), (23, 3, 5), (100, 15, 20)])
def test_drawn_splits_have_their_portions_of_the_patients(patients, val, test):
    split = Split("x", [f"P{k}" for k in range(patients)], None, seed=0)
    assert [len(split.rows(name)) for name in SPLITS] == [patients - val - test, val, test]


def test_seeds_draw_other_patients_and_orders():
    """The order is numpy's permutation of the sorted names: validation first, then test, then training."""
    names = [f"P{k:03}" for k in range(40)]
    for seed in (0, 1):
        order = [int(name[1:]) for name in np.random.default_rng(seed).permutation(names)]
        split = Split("x", names, None, seed)
        assert split.rows("val") + split.rows("test") + split.rows("train") == order
        assert Split("x", names[::-1], None, seed).rows("val") == [
            39 - row for row in split.rows("val")
        ]  # whatever the file's order


def test_a_selection_takes_the_first_rows(tmp_path):
    file = str(write_slices(tmp_path / "s.h5", PATIENTS, size=8))
    collection = Slices(file, seed=5)
    for split in SPLITS:
        rows = list(collection.rows(split))
        for size in (1, 2, len(rows)):
            assert list(Selection(**{f"{split}_size": size}).rows(collection, split)) == rows[:size]
            assert list(Selection(limit=size).rows(collection, split)) == rows[:size]
        assert list(Selection().rows(collection, split)) == rows
        with pytest.raises(InputError, match=f"has {len(rows)} images"):
            Selection(**{f"{split}_size": len(rows) + 1}).rows(collection, split)
        assert [collection.patient(row) for row in rows] == [PATIENTS[row] for row in rows]
