"""A sweep: many trainings by one command, each of which can be done, half done or failed already.

Hydra's launcher, whose word for a training is job, decides where they run: here one after the other, in processes (joblib), on a cluster (submitit, ray). What came of
them is read from their run folders.
"""

from typing import Any

from ctrecon.config.dispatch import dispatch
from ctrecon.config.sweep import training
from ctrecon.config.words import Words
from ctrecon.errors import InputError
from ctrecon.fitting.launch import run_of, train_run
from ctrecon.runs.listing import table
from ctrecon.runs.run import Run


def sweep(words: Words) -> list[Run]:
    """Train every job that is not done; say what came of all of them.

    Args:
        words: Of the command line; those about hydra say where the jobs run.

    Returns:
        The runs that are not done.

    Raises:
        InputError: Two jobs have one run folder, or the launcher cannot launch.
    """
    launcher, what = words.only(lambda word: word.about_hydra), words.only(lambda word: not word.about_hydra)
    every = [[*one, f"swept=[{','.join(words.swept)}]"] for one in what.each()]
    runs = [run_of(training(one)) for one in every]
    for k, run in enumerate(runs):
        if run.path in [other.path for other in runs[:k]]:
            raise InputError(f"{run.path}: two jobs of the sweep would write to it; let name= or run_dir= tell them apart")
    left = [one for one, run in zip(every, runs, strict=True) if not run.done()]
    print(f"{len(runs)} jobs, {len(runs) - len(left)} of them done already", flush=True)
    dispatch(left, attempt, launcher)
    print(table(runs))
    return [run for run in runs if not run.done()]


def attempt(values: dict[str, Any]) -> None:
    """Train a job; where it fails, leave that in its run folder and let the others go on."""
    run = run_of(values)
    try:
        train_run(values)
    except (InputError, OSError, RuntimeError) as error:
        run.fail(error)
        print(f"{run.path}: failed: {' '.join(str(error).split())}", flush=True)
