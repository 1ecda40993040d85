"""What parts of a model promise of themselves: blocks, with their fields and integrators, and cells."""

from collections.abc import Iterator

import torch

from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.guarantee.stop import blocks
from ctrecon.ode.promise import Promise


@torch.no_grad()
def claims(subject: Subject) -> Iterator[Claim]:
    """Every promise at every stop, measured at what goes in there; of like ones the worst."""
    found: dict[tuple[str, str], list[Claim]] = {}

    def measured(name: str, promise: Promise, *inputs: torch.Tensor) -> None:
        claim = Claim(promise.guarantee, name, promise.theory, promise.measure(*inputs), promise.bound)
        found.setdefault((promise.guarantee, promise.theory), []).append(claim)

    for name, block, z in blocks(subject):
        for promise in block.promises():
            measured(name, promise, z)
    for stop in subject.model.stops(subject.y):
        for promise in stop.promises:
            measured(stop.name, promise, *stop.inputs)
    yield from (worst(like) for like in found.values())
