"""Fit a classical model: choose its one number on validation images, by Brent's method on its logarithm."""

import math
import time

from lightning_fabric import Fabric
from scipy.optimize import minimize_scalar

from ctrecon.data.pairs import Pairs
from ctrecon.fitting.progress import Bar
from ctrecon.fitting.validate import left_out_line, reported, said, validate
from ctrecon.machine.interrupt import STOPPED, listening
from ctrecon.models.tuned import Tuned
from ctrecon.objective.attempt import Setting
from ctrecon.runs.run import HISTORY, Run

TRIALS = 14  # of the number, at most: some hundredths of its logarithm between the bounds
TOGETHER = 4 * 128**2  # pixels that go through the model at a time: many are cheaper, few let a signal stop it in seconds


def tune(fabric: Fabric, run: Run, setting: Setting, validation: Pairs, truth: bool = True) -> None:
    """Leave the best number in the run folder, by mean validation PSNR or, without `truth`, by held-out views, resuming what is there.

    The search is deterministic: started again, it finds its earlier trials.

    Raises:
        SystemExit: With status STOPPED, the trials so far being kept, where a signal asked for it.
    """
    model: Tuned = setting.model.to(fabric.device).eval()
    state = run.load_state() or {"trials": [], "history": []}
    kept, history = dict(state["trials"]), state["history"]
    began = time.perf_counter() - (history[-1]["seconds"] if history else 0.0)
    together = max(1, TOGETHER // validation.scanner.geometry.pixels**2)
    fabric.print(f"{run.path}: at most {TRIALS} trials of {model.name} on {len(validation)} validation images")

    def after(images: int) -> None:
        bar.update(images)
        if interrupted():
            run.report("stopped")
            fabric.print(f"{run.path}: stopped in trial {len(history) + 1}, as a signal asked; the same command goes on")
            raise SystemExit(STOPPED)

    def loss(logarithm: float) -> float:
        number = 10.0 ** float(logarithm)
        number = float(round(number)) if model.whole else number
        if number not in kept:
            model.number.fill_(number)
            scores, left_out = validate(fabric, setting, validation, together, after, held_out=not truth)
            if left_out and truth and not history:
                fabric.print(left_out_line(run, left_out, validation))
            row = {"step": len(history) + 1, "seconds": time.perf_counter() - began, model.name: number} | scores
            history.append(row)
            kept[number] = row["psnr"] if truth else -row["held_out"]
            run.write_rows(HISTORY, history)
            run.save_state({"trials": list(kept.items()), "history": history})
            best = max(kept, key=kept.__getitem__)
            run.report("running", step=len(history), **reported(next(one for one in history if one[model.name] == best)))
            bar.write(f"{run.path}  trial {len(history)}  {model.name} {number:.4g}  validation {said(row)}  {bar.left()}")
        return -kept[number]

    low, high = (math.log10(bound) for bound in model.bounds)
    run.report("running", step=len(history), steps=TRIALS)
    bar = Bar(str(run.path), TRIALS * len(validation), len(history) * len(validation), "image", most=True)
    with bar, listening() as interrupted:
        minimize_scalar(loss, bounds=(low, high), method="bounded", options={"maxiter": TRIALS, "xatol": 2e-2})
    best = max(kept, key=kept.__getitem__)
    model.number.fill_(best)
    found = next(row for row in history if row[model.name] == best)
    run.finish(model, history, reported(found))
    fabric.print(f"{run.path}: done, {model.name} {best:.4g}, validation {said(found)}")
