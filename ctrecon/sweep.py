"""A sweep: many trainings by one command, each of which can be done, half done or failed already.

Hydra's launcher decides where they run: here one after the other, in processes (joblib), on a cluster (submitit, ray). What came of
them is read from their run folders.
"""

from collections.abc import Callable
from typing import Any

from ctrecon.errors import InputError
from ctrecon.interrupt import STOPPED, listening
from ctrecon.launch import run_of, train_run
from ctrecon.run import Run
from ctrecon.status import table


def sweep(jobs: list[dict[str, Any]], launch: Callable[[], None]) -> list[Run]:
    """Train every job that is not done; tell what came of all of them.

    Args:
        jobs: Their composed configurations.
        launch: Calls `attempt` with each of them, wherever.

    Returns:
        The runs that are not done.

    Raises:
        InputError: Two jobs have one run folder.
    """
    runs = [run_of(values) for values in jobs]
    for k, run in enumerate(runs):
        if run.path in [other.path for other in runs[:k]]:
            raise InputError(f"{run.path}: two jobs of the sweep would write to it; let name= or run_dir= tell them apart")
    left = [run for run in runs if not run.done()]
    print(f"{len(runs)} jobs, {len(runs) - len(left)} of them done already", flush=True)
    if left:
        with listening() as interrupted:  # passes signals on to jobs in processes of their own
            launch()
        if interrupted():
            raise SystemExit(STOPPED)
        left = [run for run in runs if not run.done()]
    print(table(runs))
    return left


def attempt(values: dict[str, Any]) -> float | None:
    """Train a job; where it fails, leave that in its run folder and let the others go on. Returns the best validation PSNR."""
    run = run_of(values)
    try:
        train_run(values)
    except (InputError, OSError, RuntimeError) as error:
        run.fail(error)
        print(f"{run.path}: failed: {' '.join(str(error).split())}", flush=True)
    return run.status()["best"]
