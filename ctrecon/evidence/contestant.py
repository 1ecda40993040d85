"""A contestant: the runs of one name and training size, one a seed, as numbers."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ctrecon.disk.difference import differences
from ctrecon.errors import InputError
from ctrecon.runs.results import METRICS, SUMMARY, Results
from ctrecon.runs.run import CONFIG

METRIC_NAMES = {"psnr": 6, "ssim": 7}  # by the default definition; digits that are kept: no number that is shown depends on them
SWEPT = re.compile(r"-(train_size|lr)(all|null|[\d.]+(e-?\d+)?)")  # what a sweep adds to a name and the facts say too
SETTING = ("default_definition", "definitions", "test", "undefined")  # what was measured, and how
Where = tuple[str, str, str]  # image, patient, turn


@dataclass(frozen=True, eq=False)
class Contestant:
    """The runs of one name and size, all measured on the same images.

    Attributes:
        name: As in tables.
        size: How many images it learned from; None: it does not learn.
        rows: Image, patient and turn of each measurement.
        values: values[metric][run, k]: of measurement k.
        facts: Of each run: seed, lr, steps, parameters, seconds_per_step, seconds_per_image, bytes_per_pair, validation_psnr.
        setting: What it was measured on, and by which definitions.
        results: The folders with the measurements of each run; none where it was read from a table.
    """

    name: str
    size: int | None
    rows: list[Where]
    values: dict[str, Float[np.ndarray, "runs rows"]]
    facts: list[dict[str, Any]]
    setting: dict[str, Any]
    results: list[Results]

    @property
    def turns(self) -> list[str]:
        """The turns that it was measured at, in degrees."""
        return list(dict.fromkeys(turn for *_, turn in self.rows))

    def at(self, metric: str, turn: str) -> Float[np.ndarray, "runs images"]:
        """A metric of each run and image at a turn."""
        return self.values[metric][:, [k for k, row in enumerate(self.rows) if row[2] == turn]]

    def images(self, turn: str) -> list[str]:
        """The images at a turn."""
        return [image for image, _, at in self.rows if at == turn]

    def patients(self, turn: str) -> list[str]:
        """The patient of each image at a turn."""
        return [patient for _, patient, at in self.rows if at == turn]

    @property
    def undefined(self) -> int:
        """How many measurements are left out, because the truth is constant and has no PSNR."""
        return (self.setting.get("undefined") or {}).get("psnr", 0)

    @property
    def parameters(self) -> str:
        """How many parameters a run has, for tables; empty where nobody knows, as of images that another program made."""
        count = self.facts[0]["parameters"]
        return "" if count is None else f"{count:,}"

    @property
    def seeds(self) -> int:
        """How many runs there are."""
        return len(self.facts)


def of_results(results: list[Results], name: str) -> Contestant:
    """The contestant of evaluated runs, without the images whose metrics are undefined.

    Raises:
        InputError: A run is not evaluated, or the runs were not measured alike or learned from different numbers of images.
    """
    summaries = [one.summary() for one in results]
    settings = [{key: summary.get(key) for key in SETTING} for summary in summaries]
    tables = [_defined(one) for one in results]
    rows = [[(row["image"], row["patient"], row["turn"]) for row in table] for table in tables]
    facts = [_facts(summary, one.path.name) for one, summary in zip(results, summaries, strict=True)]
    sizes = [fact.pop("images", None) for fact in facts]
    for one, setting, listed, size in zip(results, settings, rows, sizes, strict=True):
        same_setting(one.path, setting, results[0].path, settings[0])
        if listed != rows[0]:
            raise InputError(f"{one.path} and {results[0].path} list different test images: evaluate both again")
        if size != sizes[0]:
            raise InputError(f"{one.path} learned from {size} images, {results[0].path} from {sizes[0]}: name them one by one")
    # Rounded here, so that what is computed from published tables is what was computed from run folders.
    values = {
        name: np.array([[round(float(row[name]), digits) for row in table] for table in tables])
        for name, digits in METRIC_NAMES.items()
    }
    return Contestant(name, sizes[0], rows[0], values, facts, settings[0], results)


def _defined(results: Results) -> list[dict[str, str]]:
    """The rows that have every metric. Raises InputError where there is none, or one is no finite number."""
    try:
        rows = [row for row in results.rows() if all(row[name] for name in METRIC_NAMES)]
        finite = all(math.isfinite(float(row[name])) and row["image"] and row["turn"] for row in rows for name in METRIC_NAMES)
    except (KeyError, ValueError) as error:
        raise InputError(f"{results / METRICS}: damaged ({error}); {results.cure}") from None
    if not rows or not finite:
        raise InputError(f"{results / METRICS}: {'not finite' if rows else 'no image has a PSNR'}; {results.cure}")
    return rows


def at_path(path: Path) -> Contestant:
    """The contestant of runs/NAME (all its seeds) or of one run folder. Raises InputError as `of_results`, or where there is no run."""
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; expected runs/NAME or runs/NAME/SEED")
    if _is_run(path):
        return of_results([Results(path)], f"{path.resolve().parent.name}/{path.resolve().name}")
    found = [Results(inside) for inside in sorted(path.iterdir()) if _is_run(inside)]
    if not found:
        raise InputError(f"{path}: no run in this folder; expected runs/NAME or runs/NAME/SEED")
    return of_results(found, path.resolve().name)


def short(name: str) -> str:
    """A name without the size and the rate that a sweep adds to it.

    Example:
        >>> short("c4-train_size20-lr0.003")
        'c4'
    """
    return SWEPT.sub("", name)


def same_setting(path: Path, setting: dict[str, Any], other_path: Path, other: dict[str, Any]) -> None:
    """Raises InputError, with the differences, where two were not measured alike."""
    for key in ("default_definition", "definitions"):
        if setting[key] != other[key]:
            different = "; ".join(differences(other[key], setting[key], key))
            raise InputError(f"{path} was measured by other definitions than {other_path} ({different}): evaluate both again")
    different = list(differences(other["test"], setting["test"]))
    if different:
        raise InputError(
            f"{path} was measured on another test set than {other_path} ({'; '.join(different)}): evaluate both with the same data, geometry, "
            "noise and turns"
        )


def _facts(summary: dict[str, Any], folder: str) -> dict[str, Any]:
    costs = {key: summary.get(key) for key in ("parameters", "seconds_per_step", "seconds_per_image", "bytes_per_pair")}
    training = summary.get("training") or {}
    return costs | training | {"seed": str(training.get("seed", folder))}


def _is_run(path: Path) -> bool:
    return (path / SUMMARY).is_file() or (path / CONFIG).is_file()
