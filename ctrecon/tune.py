"""Fit a classical model: choose its one number on validation images, by Brent's method on its logarithm."""

import math
import time

import torch
from scipy.optimize import minimize_scalar

from ctrecon.data.pairs import Pairs
from ctrecon.models.tuned import Tuned
from ctrecon.run import WEIGHTS, Run
from ctrecon.train import validate

TRIALS = 14  # of the number: some hundredths of its logarithm between the bounds


def tune(run: Run, model: Tuned, validation: Pairs, device: torch.device) -> None:
    """Leave the number with the best mean validation PSNR in the run folder, resuming what is there.

    The search is deterministic: started again, it finds its earlier trials in the history.

    Raises:
        InputError: The kept state is damaged.
    """
    model.to(device).eval()
    state = run.load_state() or {"trials": [], "history": [], "done": False}
    if state["done"] and (run / WEIGHTS).is_file():
        print(f"{run.path}: done already, {model.name} {state['best']:.4g}; remove the folder to choose again")
        return
    kept = dict(state["trials"])
    history, before, began = state["history"], state["history"][-1]["seconds"] if state["history"] else 0.0, time.perf_counter()

    def loss(logarithm: float) -> float:
        number = 10.0 ** float(logarithm)
        number = float(round(number)) if model.whole else number
        if number not in kept:
            model.number.fill_(number)
            seconds = before + time.perf_counter() - began
            row = validate(run, model, validation, device, history, step=len(history) + 1, seconds=seconds, loss=number)
            kept[number] = row["psnr"]
            run.save_state({"trials": list(kept.items()), "history": history, "done": False})
            print(f"{run.path}  {model.name} {number:.4g}  validation {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}")
        return -kept[number]

    low, high = (math.log10(bound) for bound in model.bounds)
    minimize_scalar(loss, bounds=(low, high), method="bounded", options={"maxiter": TRIALS, "xatol": 2e-2})
    best = max(kept, key=kept.__getitem__)
    model.number.fill_(best)
    run.save_weights(model)
    run.save_state({"trials": list(kept.items()), "history": history, "done": True, "best": best})
    print(f"{run.path}: done, {model.name} {best:.4g}, validation {kept[best]:.2f} dB")
