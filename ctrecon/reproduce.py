"""Reproduce a figure: train its study, or go on with it, measure it, and draw it from the run folders."""

from functools import partial
from pathlib import Path
from typing import Any

from ctrecon.build import Experiment
from ctrecon.configure import check, compose, parse, plain
from ctrecon.data.collection import Collection
from ctrecon.dispatch import dispatch
from ctrecon.errors import InputError
from ctrecon.examine import evaluate_run
from ctrecon.expand import check_launcher, job, swept_keys
from ctrecon.interrupt import STOPPED, listening
from ctrecon.launch import run_of
from ctrecon.run import SUMMARY, Run
from ctrecon.study import Study, plan_of
from ctrecon.sweep import attempt


def reproduce(figure: str, profile: str, runs: str | None, out: str | None, words: list[str]) -> None:
    """Leave the figure, and the runs that it is drawn from.

    Args:
        figure: A name in conf/figure.
        profile: A name in conf/profile.
        runs: Folder for the run folders; None: runs/PROFILE.
        out: Folder for the figure; None: in that of the runs.
        words: Of every training; those about hydra say where it runs.

    Raises:
        InputError: A name or a word is unknown, the data is missing, or no training came to its end.
    """
    check_launcher(words)
    check(words)
    for key in swept_keys(words):
        raise InputError(f"{key}: several values; a figure varies what its conf/figure says")
    launcher = [word for word, override in zip(words, parse(words), strict=True) if override.key_or_group.startswith("hydra")]
    folder = Path(runs or f"runs/{profile}")
    study = Study(plan_of(figure, profile), folder, [word for word in words if word not in launcher])
    _fit_sizes(study)
    _all(study.race(), attempt, launcher)
    measure = partial(measured, turns=study.turns)
    _all(study.learned() + study.references(), measure, launcher)


def measured(values: dict[str, Any], turns: list[int | float]) -> None:
    """Train a job where it is not done, and measure it where that is not done."""
    attempt(values)
    run = run_of(values)
    if run.done() and not has_turns(run, turns):
        evaluate_run(str(run.path), [], turns, None, values["device"], certificate=values["seed"] == 0)


def has_turns(results: Run, turns: list[int | float]) -> bool:
    """Whether a folder has the metrics of a model at these turns."""
    return (results / SUMMARY).is_file() and results.read_json(SUMMARY)["test"]["turns"] == turns


def _fit_sizes(study: Study) -> None:
    """Leave out sizes that the collection does not have."""
    experiment = Experiment(plain(compose(study.words)))
    there = len(experiment.collection.rows("train"))
    study.sizes = [size for size in study.sizes if size == "all" or size <= there]
    print(f"{there} training images, sizes {study.sizes}")


def _all(jobs, task, launcher) -> None:
    with listening() as interrupted:
        dispatch([[*words] for words in jobs], task, launcher)
    if interrupted():
        raise SystemExit(STOPPED)
