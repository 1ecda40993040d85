"""A comparison as a page: what it found, with charts, pictures, every image, certificates, costs, commands and environments."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ctrecon.evidence.comparison import Comparison
from ctrecon.evidence.contestant import Contestant
from ctrecon.evidence.efficiency import needed
from ctrecon.measure.metrics import psnr, ssim
from ctrecon.report.chart import Chart
from ctrecon.report.page import Page, Record, Scatter, Slide
from ctrecon.report.picture import stories
from ctrecon.runs.digits import quality
from ctrecon.runs.results import CERTIFICATE
from ctrecon.runs.run import ENVIRONMENT

COSTS = ("seconds_per_step", "seconds_per_image", "bytes_per_pair", "lr", "steps", "validation_psnr")


def document(comparison: Comparison, shown: Comparison, title: str, charts: list[Chart]) -> Page:
    """The page.

    Args:
        comparison: All that was measured.
        shown: The contestants of one training size, for what shows one.
        title: What it is about.
        charts: Drawn already; their legends are left to the page.
    """
    for chart in charts:
        for legend in chart.figure.legends:
            legend.remove()
    tables = [
        ("Results: means over patients and seeds with 95 % intervals", comparison.table()),
        ("What it costs", _costs(comparison)),
    ]
    return Page(
        title, summary(comparison, shown), charts, tables, _slides(shown), _scatter(shown), _records(shown), shown.verdict_table()
    )


def summary(comparison: Comparison, shown: Comparison) -> list[str]:
    """What was measured, and how many images the baseline needs instead; the verdicts are in the table below."""
    sentences = [comparison.setting()]
    if len(comparison.of(comparison.names[0])) > 1:
        for one in shown.contestants:
            if one.size and shown.baseline(one):
                found = "; ".join(f"{needed(comparison, one, turn).format()} images at {turn} degrees" for turn in comparison.turns)
                sentences.append(f"To be as good as {one.name} from {one.size} images, {comparison.names[0]} needs {found}.")
    return sentences


def _costs(comparison: Comparison) -> list[dict[str, str]]:
    rows = []
    for one in comparison.contestants:
        row = {"run": one.name, "images": str(one.size or ""), "parameters": one.parameters}
        for key in COSTS:
            known = [fact[key] for fact in one.facts if fact.get(key) is not None]
            row[key.replace("_", " ")] = f"{sum(known) / len(known):.4g}" if known else ""
        rows.append(row)
    return rows


def _slides(comparison: Comparison) -> list[Slide]:
    return [
        Slide(
            label,
            {"truth": truth} | columns,
            {name: quality(psnr(x, truth), ssim(x, truth)) for name, x in columns.items()},
        )
        for label, truth, columns in stories(comparison)
    ]


def _scatter(comparison: Comparison) -> Scatter | None:
    """Means over seeds of each image. None where there is nobody to compare with."""
    first, *others = comparison.contestants
    turns = comparison.turns
    if not others or any(first.images(turn) != first.images(turns[0]) for turn in turns):
        return None
    labels = [f"image {image}, {patient}" for image, patient in zip(first.images(turns[0]), first.patients(turns[0]), strict=True)]
    values = {one.name: {turn: _rounded(one.at("psnr", turn).mean(0)) for turn in turns} for one in comparison.contestants}
    return Scatter(first.name, [one.name for one in others], turns, labels, values)


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


def _records(comparison: Comparison) -> list[Record]:
    return [_record(one, f"{one.name}, {one.size} images" if one.size else one.name) for one in comparison.contestants]


def _record(one: Contestant, name: str) -> Record:
    """How the first run was made. Its measurements may lie in a folder within that of the run."""
    results = one.results[0].path
    ran_on = _json(
        next((f / ENVIRONMENT for f in (results, *results.parents[:2]) if (f / ENVIRONMENT).is_file()), results / ENVIRONMENT)
    )
    command = " ".join(["ctrecon", *str(ran_on.pop("command", "")).split()[1:]])
    packages = ran_on.pop("packages", {})
    claims = _json(results / CERTIFICATE).get("claims", [])
    return Record(
        name,
        command,
        {key: str(value) for key, value in (ran_on | packages).items() if value},
        [
            {key: f"{value:.3g}" if isinstance(value, float) else str(value or "") for key, value in claim.items()}
            for claim in claims
        ],
    )


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}
