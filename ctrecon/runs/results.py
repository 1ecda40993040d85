"""What was measured of a model.

metrics.csv        a row a test image and turn
metrics.json       their means with intervals, and the checksums of the two other files
examples.h5        some test images: truth, FBP, reconstruction
certificate.json   what the model promises, and what was measured of it
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ctrecon.disk.atomic import write_bytes
from ctrecon.disk.hdf5 import as_hdf5
from ctrecon.disk.table import as_csv
from ctrecon.errors import InputError
from ctrecon.runs.folder import Folder
from ctrecon.runs.moved import current

METRICS, SUMMARY, EXAMPLES, CERTIFICATE = "metrics.csv", "metrics.json", "examples.h5", "certificate.json"
CHECKSUMS = "sha256"  # of the summary: by file


class Results(Folder):
    """A folder with measurements: that of the run, or another one."""

    @property
    def cure(self) -> str:
        return f"run ctrecon evaluate run={self.path} again"

    def write(self, rows: list[dict[str, Any]], summary: dict[str, Any], examples: dict[str, np.ndarray]) -> None:
        """Replace what was measured before, by files that belong together.

        They are replaced one after the other; the summary, which comes last, has the checksums of the others, so that an interruption
        in between leaves a mixture that `summary` refuses.

        Args:
            rows: Of metrics.csv.
            summary: For metrics.json.
            examples: Arrays by name, for examples.h5.
        """
        parts = {METRICS: as_csv(rows).encode(), EXAMPLES: as_hdf5(examples)}
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
        for name, content in parts.items():
            write_bytes(self / name, content)
        self.write_json(SUMMARY, summary | {CHECKSUMS: sums})

    def summary(self) -> dict[str, Any]:
        """The summary. Raises InputError where there is none, or where the other files are of another evaluation."""
        summary = self.read_json(SUMMARY)
        sums = summary.get(CHECKSUMS, {})  # earlier versions wrote none
        for name, expected in sums.items() if isinstance(sums, dict) else ():
            if name in (METRICS, EXAMPLES) and _sha256(self / name) != expected:
                raise InputError(f"{self / name}: does not belong to {SUMMARY}: was the evaluation interrupted? {self.cure}")
        return current(summary)

    def rows(self) -> list[dict[str, str]]:
        """A row a test image and turn. Raises InputError where they are missing or damaged."""
        return self.read_rows(METRICS)


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
