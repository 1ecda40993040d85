"""Fit a model: one loop that reads in one sitting.

Every batch is a function of (seed, step), nothing is drawn while training, and the state is kept at each validation, so that
training killed at any moment and started again ends with the same weights, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ctrecon.data.examples import Examples
from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.fitting.batches import loader
from ctrecon.fitting.fit import Fit
from ctrecon.fitting.progress import Bar, Progress, buffers, resume
from ctrecon.fitting.validate import left_out_line, reported, said, validate
from ctrecon.machine.interrupt import STOPPED, listening
from ctrecon.objective.attempt import Attempt, Setting
from ctrecon.objective.objective import Objective
from ctrecon.ode.block import Block
from ctrecon.optimizer.moving_average import MovingAverage
from ctrecon.runs.run import HISTORY, Run
from ctrecon.shapes import Image, Sinogram


def descend(
    fabric: Fabric,
    run: Run,
    model: nn.Module,
    settings: Sequence[Setting],
    objective: Objective,
    fit: Fit,
    optimizer: Callable[[nn.Module, float], torch.optim.Optimizer],
    training: Examples,
    validation: Mapping[int, Pairs],
    workers: int = 0,
) -> None:
    """Fit the model and leave the best weights by validation in the run folder, resuming what is there.

    The best are those with the highest PSNR, or, with an objective that needs no truth, those that explain held-out views best.

    Args:
        fabric: Where: its devices share the pairs of a step.
        run: The folder.
        model: The model, freshly drawn.
        settings: The same on each scan that it learns from, sharing its parameters.
        objective: What is minimised.
        fit: For how long and how fast.
        optimizer: Makes the optimiser of a model and a learning rate.
        training: What to learn from.
        validation: Pairs to choose the best weights by, in the mean, by the numbers of their scans.
        workers: Processes that load pairs; 0: this one.

    Raises:
        InputError: The fit does not suit the model or the devices, or the loss is not finite.
        SystemExit: With status STOPPED, the state being kept, where a signal asked for it.
    """
    varying = _varying(model, fit)
    parameters = list(model.to(fabric.device).parameters())
    descent, average = optimizer(model, fit.lr), MovingAverage(parameters, fit.average)
    now = resume(run, model, descent, average)
    fabric.print(f"{run.path}: resuming at step {now.step} of {fit.steps}" if now.step else f"{run.path}: {fit.steps} steps")
    for setting in settings:
        setting.model.to(fabric.device)
    network, stepping = fabric.setup(Losses(model, settings, objective), descent)
    batches = iter(loader(training, fit, now.step, fabric, workers))
    began = time.perf_counter() - now.seconds
    network.train()
    bar = Bar(str(run.path), fit.steps, now.step, "step", silent=not fabric.is_global_zero)
    with bar, listening() as interrupted:
        while now.step < fit.steps and now.stale < (fit.patience or math.inf):
            for group in descent.param_groups:
                group["lr"] = fit.rate(now.step)
            stepping.zero_grad()
            losses = []
            for part in range(fit.passes):
                x, y = (t.to(fabric.device, non_blocking=True) for t in next(batches))
                with fabric.no_backward_sync(network, enabled=part + 1 < fit.passes):
                    error = (
                        network(y, x if objective.needs_truth else None, training.scan(now.step), training.draw(now.step))
                        / fit.passes
                    )
                    if varying:
                        error = error + fit.time_regularisation * sum(block.roughness() for block in varying) / fit.passes
                    fabric.backward(error)
                losses.append(error.detach())
            if fit.clip:
                fabric.clip_gradients(network, stepping, max_norm=fit.clip)
            stepping.step()
            average.update()
            now.step, now.seconds = now.step + 1, time.perf_counter() - began
            now.losses.append(sum(losses))
            bar.update()
            stop = _any(fabric, interrupted())
            if now.step % fit.validate_every == 0 or now.step == fit.steps:
                with average.in_place():
                    _validated(fabric, run, model, settings, objective, validation, now)
                network.train()
                fabric.log_dict(now.history[-1], now.step)
                if fabric.is_global_zero:
                    bar.write(_line(run, fit, now))
            elif not stop:
                continue
            now.losses = [float(loss) for loss in now.losses]  # only here, so that the device is not waited for at each step
            if fabric.is_global_zero:
                state = {"parameters": [p.detach().cpu() for p in parameters], "buffers": buffers(model)}
                run.save_state(asdict(now) | state | {"optimizer": descent.state_dict(), "average": average.state()})
            fabric.barrier()
            if stop and now.step < fit.steps:
                if fabric.is_global_zero:
                    run.report("stopped", step=now.step)
                fabric.print(f"{run.path}: stopped at step {now.step} of {fit.steps}, as a signal asked; the same command goes on")
                raise SystemExit(STOPPED)
    if fabric.is_global_zero:
        run.report("done")
        fabric.print(f"{run.path}: done, best validation {said(now.kept)}")


class Losses(nn.Module):
    """The loss of a batch of one of several scans.

    Args:
        model: Whose parameters are learned.
        settings: The same on each scan, sharing them.
        objective: What is minimised.
    """

    def __init__(self, model: nn.Module, settings: Sequence[Setting], objective: Objective) -> None:
        super().__init__()
        self.model, self._settings, self._objective = model, settings, objective

    def forward(self, y: Sinogram, x: Image | None, scan: int, draw: np.random.Generator) -> torch.Tensor:
        return self._objective.loss(Attempt(self._settings[scan], y, x, draw))

    def train(self, mode: bool = True) -> "Losses":
        for setting in self._settings:
            setting.model.train(mode)
        return super().train(mode)


def _varying(model: nn.Module, fit: Fit) -> list[Block]:
    """The blocks whose weights' change over time is penalised."""
    if not fit.time_regularisation:
        return []
    varying = [m for m in model.modules() if isinstance(m, Block) and len(m.fields) > 1]
    if not varying:
        raise InputError(
            f"fit.time_regularisation={fit.time_regularisation}: no block has weights that change over time: say block.shared=false and "
            "block.steps of at least 2"
        )
    return varying


def _any(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set in any process: all stop together."""
    if fabric.world_size == 1:
        return flag
    return fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="max").item() > 0


def _validated(
    fabric: Fabric,
    run: Run,
    model: nn.Module,
    settings: Sequence[Setting],
    objective: Objective,
    validation: Mapping[int, Pairs],
    now: Progress,
) -> None:
    """Measure the model, tell the run, and keep the weights if they are the best."""
    loss = fabric.all_reduce(torch.tensor(np.mean([float(loss) for loss in now.losses]), device=fabric.device)).item()
    if not math.isfinite(loss):
        raise InputError(f"the loss is {loss} at step {now.step}; expected a finite one: lower fit.lr")
    truth = objective.needs_truth
    each = [validate(fabric, settings[number], pairs, held_out=not truth) for number, pairs in validation.items()]
    scores, left_out = {name: float(np.mean([found[name] for found, _ in each])) for name in each[0][0]}, each[0][1]
    if left_out and truth and not now.history:
        fabric.print(left_out_line(run, left_out, next(iter(validation.values()))))
    now.history.append({"step": now.step, "seconds": now.seconds, "loss": loss} | scores)
    now.losses, now.stale = [], now.stale + 1
    score = scores["psnr"] if truth else -scores["held_out"]
    better = score > now.best
    if better:
        now.best, now.kept, now.stale = score, scores, 0
    if fabric.is_global_zero:
        run.write_rows(HISTORY, now.history)
        run.report("running", step=now.step, **(reported(scores) if better else {}))
        if better:
            run.save_weights(model)


def _line(run: Run, fit: Fit, now: Progress) -> str:
    row, left = now.history[-1], now.seconds / now.step * (fit.steps - now.step)
    return f"{run.path}  step {now.step}/{fit.steps}  loss {row['loss']:.3e}  validation {said(row)}  {left:.0f} s left"
