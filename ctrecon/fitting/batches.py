"""The pairs of each step, shared among processes and divided into passes."""

from collections.abc import Iterator

import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from ctrecon.data.examples import Examples
from ctrecon.errors import InputError
from ctrecon.fitting.fit import Fit
from ctrecon.machine.interrupt import ignore_signals


def loader(training: Examples, fit: Fit, first: int, fabric: Fabric, workers: int) -> DataLoader:
    """The pairs of this process, part by part. Raises InputError where a batch does not divide into them."""
    rank, share = fabric.global_rank, fabric.world_size
    if fit.batch % (share * fit.passes):
        raise InputError(f"fit.batch={fit.batch}: expected a multiple of {share} devices x fit.passes={fit.passes}")

    def parts() -> Iterator[list[int]]:
        for step in range(first, fit.steps):
            mine = range(step * fit.batch + rank, (step + 1) * fit.batch, share)
            yield from (list(mine[part :: fit.passes]) for part in range(fit.passes))

    return DataLoader(
        training,
        batch_sampler=parts(),
        collate_fn=_stack,
        num_workers=workers,
        worker_init_fn=ignore_signals,
        pin_memory=fabric.device.type == "cuda",
    )


def _stack(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.cat(column) for column in zip(*pairs, strict=True))
