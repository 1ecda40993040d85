"""Measure what the model of a run promises."""

import sys
from collections.abc import Iterable

from ctrecon.config.experiment import model_of
from ctrecon.config.kind import Device
from ctrecon.config.options import options
from ctrecon.config.place import RunFolder
from ctrecon.errors import InputError
from ctrecon.guarantee.certificate import certify
from ctrecon.guarantee.claim import Claim
from ctrecon.machine.device import pick_device
from ctrecon.report.certificate import as_text
from ctrecon.runs.results import Results


def main(words: Iterable[str]) -> None:
    """ctrecon certify: status 1 where a promise is broken."""
    chosen, rest = options("certify", words)
    show(certify_run(**chosen, words=rest), chosen["out"] or chosen["run"])


def show(claims: list[Claim], folder: str) -> None:
    """Print a certificate; end with status 1 where a promise is broken."""
    print(f"{as_text(claims)}\nwritten: {folder}/certificate.json")
    if any(claim.verdict == "fail" for claim in claims):
        sys.exit(1)


def certify_run(run: RunFolder, words: Iterable[str], image: int, out: str | None, device: Device) -> list[Claim]:
    """Measure what the model of a run promises, on one of its test images; returns the claims."""
    place = pick_device(device)
    experiment, model = model_of(run, words)
    pairs = experiment.pairs("test")
    if not 0 <= image < len(pairs):
        raise InputError(f"image={image}: expected one of the {len(pairs)} test images, 0 to {len(pairs) - 1}")
    results = Results(out or run)
    with results.claimed():
        return certify(model, experiment.ray, *pairs.pair(image), results, place)
