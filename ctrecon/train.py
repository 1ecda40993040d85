"""Fit a model: one loop that reads in one sitting.

Every batch is a function of (seed, step), nothing is drawn while training, and the state is kept at each validation, so that
training killed at any moment and started again ends with the same weights, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss
from tqdm import tqdm

from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.measure import psnr, ssim
from ctrecon.ode.block import Block
from ctrecon.run import HISTORY, WEIGHTS, Run

SCHEDULES = {  # factor of the learning rate at a fraction of the training
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}


@dataclass(frozen=True)
class Fit:
    """How a model is fitted: an optimiser on half the mean squared error.

    Attributes:
        steps: Optimiser steps, whatever the size of the training set.
        batch: Pairs a step.
        lr: Learning rate.
        schedule: constant or cosine (down to zero over the steps).
        validate_every: Steps between validations, each of which also keeps the state.
        time_regularisation: Weight of the change over time of blocks' weights, which `block.shared=false` lets vary.

    Raises:
        InputError: A value is out of range.
    """

    steps: int = 1000
    batch: int = 1
    lr: float = 1e-3
    schedule: str = "cosine"
    validate_every: int = 100
    time_regularisation: float = 0.0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.validate_every) < 1 or not self.lr > 0:
            raise InputError(
                f"fit: steps={self.steps}, batch={self.batch}, validate_every={self.validate_every}, lr={self.lr}: expected positive numbers"
            )
        if self.time_regularisation < 0:
            raise InputError(f"fit.time_regularisation={self.time_regularisation}: expected at least 0")
        if self.schedule not in SCHEDULES:
            raise InputError(f"fit.schedule={self.schedule}: expected one of {', '.join(SCHEDULES)}")


def train(
    run: Run,
    model: nn.Module,
    fit: Fit,
    optimizer: Callable[[nn.Module, float], torch.optim.Optimizer],
    training: Pairs,
    validation: Pairs,
    device: torch.device,
    seed: int,
) -> None:
    """Fit the model and leave the best weights by validation PSNR in the run folder, resuming what is there.

    Args:
        run: The folder.
        model: The model, freshly drawn.
        fit: For how long and how fast.
        optimizer: Makes the optimiser of a model and a learning rate.
        training: Pairs to learn from.
        validation: Pairs to choose the best weights by.
        device: Where.
        seed: Of the order of the pairs.

    Raises:
        InputError: The kept state is damaged, or the fit does not suit the model.
    """
    model.to(device)
    parameters = list(model.parameters())
    varying = [m for m in model.modules() if isinstance(m, Block) and len(m.fields) > 1]
    if fit.time_regularisation and not varying:
        raise InputError(
            f"fit.time_regularisation={fit.time_regularisation}: no block has weights that change over time: say block.shared=false and "
            "block.steps of at least 2"
        )
    state = run.load_state()
    if state is not None and state["step"] >= (fit.steps if parameters else 0) and (run / WEIGHTS).is_file():
        print(f"{run.path}: done already, {fit.steps} steps; remove the folder to train again")
        return
    if not parameters:
        validate(run, model, validation, device, [], step=0, seconds=0.0, loss=float("nan"))
        run.save_weights(model)
        run.save_state({"step": 0})
        print(f"{run.path}: nothing to fit, this model has no parameters")
        return
    descent = optimizer(model, fit.lr)
    first, best, history, before = 0, -math.inf, [], 0.0
    if state is not None:
        for parameter, kept in zip(parameters, state["parameters"], strict=True):
            parameter.data.copy_(kept)
        set_buffers(model, state["buffers"])
        descent.load_state_dict(state["optimizer"])
        first, best, history, before = state["step"], state["best"], state["history"], state["seconds"]
        print(f"{run.path}: resuming at step {first} of {fit.steps}")
    began, losses = time.perf_counter(), []
    # disable=None: no bar where nobody looks; the lines below tell the same.
    with tqdm(total=fit.steps, initial=first, desc=str(run.path), unit="step", disable=None) as bar:
        for step in range(first, fit.steps):
            for group in descent.param_groups:
                group["lr"] = fit.lr * SCHEDULES[fit.schedule](step / fit.steps)
            x, y = (t.to(device) for t in training.batch(_indices(len(training), fit.batch, step, seed)))
            loss = 0.5 * mse_loss(model.train()(y), x)
            if fit.time_regularisation:
                loss = loss + fit.time_regularisation * sum(block.roughness() for block in varying)
            descent.zero_grad()
            loss.backward()
            descent.step()
            losses.append(loss.item())
            bar.update()
            if (step + 1) % fit.validate_every and step + 1 < fit.steps:
                continue
            if not math.isfinite(losses[-1]):
                raise InputError(
                    f"{run.path}: the loss is {losses[-1]} at step {step + 1}; expected a finite one: lower fit.lr={fit.lr}"
                )
            seconds = before + time.perf_counter() - began
            row = validate(run, model, validation, device, history, step + 1, seconds, float(np.mean(losses)))
            losses = []
            if row["psnr"] > best:
                best = row["psnr"]
                run.save_weights(model)
            run.save_state(
                {"step": step + 1, "best": best, "history": history, "seconds": seconds}
                | {
                    "parameters": [p.detach().cpu() for p in parameters],
                    "buffers": buffers(model),
                    "optimizer": descent.state_dict(),
                }
            )
            left = (seconds - before) / (step + 1 - first) * (fit.steps - step - 1)
            bar.write(
                f"{run.path}  step {step + 1}/{fit.steps}  loss {row['loss']:.3e}  validation {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}"
                f"  {left:.0f} s left"
            )
    print(f"{run.path}: done, best validation {best:.2f} dB")


def _indices(size: int, batch: int, step: int, seed: int) -> list[int]:
    """Which pairs make the batch of a step: every epoch is a permutation drawn from (seed, epoch)."""
    chosen = []
    for position in range(step * batch, (step + 1) * batch):
        epoch, place = divmod(position, size)
        chosen.append(int(np.random.default_rng([seed, epoch]).permutation(size)[place]))
    return chosen


def buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a model carries from step to step beside its parameters, such as the directions of its norms."""
    parameters = dict(model.named_parameters())
    return {name: value.cpu() for name, value in model.state_dict().items() if name not in parameters}


def set_buffers(model: nn.Module, kept: dict[str, torch.Tensor]) -> None:
    """Put them back, whatever their shape."""
    for name, value in kept.items():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        setattr(module, leaf, value.to(getattr(module, leaf).device))


@torch.no_grad()
def validate(run: Run, model: nn.Module, pairs: Pairs, device, history: list[dict], step: int, seconds: float, loss: float) -> dict:
    """Measure the model on validation pairs; append a row to the history, write it and return it."""
    model.eval()
    scores = []
    for index in range(len(pairs)):
        x, y = pairs.pair(index)
        image = model(y.to(device)).cpu()[0, 0].numpy()
        scores.append((psnr(image, x[0, 0].numpy()), ssim(image, x[0, 0].numpy())))
    mean = np.mean(scores, axis=0)
    history.append({"step": step, "seconds": seconds, "loss": loss, "psnr": float(mean[0]), "ssim": float(mean[1])})
    run.write_rows(HISTORY, history)
    return history[-1]
