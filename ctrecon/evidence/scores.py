"""A comparison as tables, to keep or publish without its run folders.

scores.csv    a row a run, image and turn: run, images (it learned from), seed, image, patient, turn, psnr, ssim
runs.csv      a row a run: run, images, seed, and what else is known of it (rate, parameters, seconds, bytes, validation PSNR)
setting.json  what all were measured on, and by which definitions
"""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ctrecon.disk.atomic import write_text
from ctrecon.disk.table import as_csv, from_csv
from ctrecon.errors import InputError
from ctrecon.evidence.comparison import Comparison
from ctrecon.evidence.contestant import METRIC_NAMES, Contestant

SCORES, RUNS, SETTING = "scores.csv", "runs.csv", "setting.json"


def write(comparison: Comparison, folder: Path) -> None:
    """Write the three files."""
    write_text(folder / SCORES, as_csv(list(_scores(comparison))))
    write_text(folder / RUNS, as_csv([_key(c, fact) | fact for c in comparison.contestants for fact in c.facts]))
    write_text(folder / SETTING, json.dumps(comparison.contestants[0].setting, indent=2) + "\n")


def read(folder: Path) -> Comparison:
    """The comparison that was written. Raises InputError where a file is missing or damaged."""
    try:
        setting = json.loads((folder / SETTING).read_text())
        scores, runs = (from_csv((folder / name).read_bytes().decode(), folder / name) for name in (SCORES, RUNS))
        who = lambda row: (row["run"], row["images"])  # noqa: E731
        measured = {key: list(rows) for key, rows in groupby(scores, who)}
        return Comparison([_contestant(key, list(facts), measured[key], setting) for key, facts in groupby(runs, who)])
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file; expected {SCORES}, {RUNS} and {SETTING}") from None
    except (KeyError, ValueError) as error:
        raise InputError(f"{folder}: damaged tables ({type(error).__name__}: {error}); write them again") from None


def _scores(comparison: Comparison):
    for one in comparison.contestants:
        for number, fact in enumerate(one.facts):
            for k, (image, patient, turn) in enumerate(one.rows):
                numbers = {name: f"{one.values[name][number, k]:.{digits}f}" for name, digits in METRIC_NAMES.items()}
                yield _key(one, fact) | {"image": image, "patient": patient, "turn": turn} | numbers


def _key(one: Contestant, fact: dict[str, Any]) -> dict[str, Any]:
    return {"run": one.name, "images": one.size, "seed": fact["seed"]}


def _contestant(
    key: tuple[str, str], facts: list[dict[str, str]], scores: list[dict[str, str]], setting: dict[str, Any]
) -> Contestant:
    by_seed = [list(rows) for _, rows in groupby(scores, lambda row: row["seed"])]
    where = [[(row["image"], row["patient"], row["turn"]) for row in rows] for rows in by_seed]
    if len(by_seed) != len(facts) or any(rows != where[0] for rows in where):
        raise ValueError(f"runs of {key[0]} list different images")
    values = {name: np.array([[float(row[name]) for row in rows] for rows in by_seed]) for name in METRIC_NAMES}
    known = [{k: _number(v) for k, v in fact.items() if k not in ("run", "images")} | {"seed": fact["seed"]} for fact in facts]
    return Contestant(key[0], int(key[1]) if key[1] else None, where[0], values, known, setting, [])


def _number(text: str) -> int | float | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
