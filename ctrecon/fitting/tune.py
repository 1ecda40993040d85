"""Fit a classical model: choose its one number on validation images, by Brent's method on its logarithm."""

import math
import time

from lightning_fabric import Fabric
from scipy.optimize import minimize_scalar

from ctrecon.data.pairs import Pairs
from ctrecon.fitting.validate import left_out_line, validate
from ctrecon.machine.interrupt import STOPPED, listening
from ctrecon.models.tuned import Tuned
from ctrecon.runs.run import HISTORY, Run

TRIALS = 14  # of the number: some hundredths of its logarithm between the bounds


def tune(fabric: Fabric, run: Run, model: Tuned, validation: Pairs) -> None:
    """Leave the number with the best mean validation PSNR in the run folder, resuming what is there.

    The search is deterministic: started again, it finds its earlier trials.
    """
    model.to(fabric.device).eval()
    state = run.load_state() or {"trials": [], "history": []}
    kept, history = dict(state["trials"]), state["history"]
    began = time.perf_counter() - (history[-1]["seconds"] if history else 0.0)

    def loss(logarithm: float) -> float:
        number = 10.0 ** float(logarithm)
        number = float(round(number)) if model.whole else number
        if number not in kept:
            model.number.fill_(number)
            scores, left_out = validate(fabric, model, validation)
            if left_out and not history:
                fabric.print(left_out_line(run, left_out, validation))
            row = {"step": len(history) + 1, "seconds": time.perf_counter() - began, model.name: number} | scores
            history.append(row)
            kept[number] = row["psnr"]
            run.write_rows(HISTORY, history)
            run.save_state({"trials": list(kept.items()), "history": history})
            run.report("running", step=len(history), best=max(kept.values()))
            if interrupted():
                run.report("stopped")
                raise SystemExit(STOPPED)
            fabric.print(f"{run.path}  {model.name} {number:.4g}  validation {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}")
        return -kept[number]

    low, high = (math.log10(bound) for bound in model.bounds)
    with listening() as interrupted:
        minimize_scalar(loss, bounds=(low, high), method="bounded", options={"maxiter": TRIALS, "xatol": 2e-2})
    best = max(kept, key=kept.__getitem__)
    model.number.fill_(best)
    run.finish(model, history, kept[best])
    fabric.print(f"{run.path}: done, {model.name} {best:.4g}, validation {kept[best]:.2f} dB")
