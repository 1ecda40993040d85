"""Reproduce a figure: train its study, or go on with it, measure it, and draw it from the run folders."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from ctrecon.config.compose import compose, identity
from ctrecon.config.dispatch import dispatch
from ctrecon.config.experiment import Experiment
from ctrecon.config.field_of_view import of_training
from ctrecon.config.kind import Seed
from ctrecon.config.options import options
from ctrecon.config.place import File
from ctrecon.config.plan import plan_of
from ctrecon.config.sweep import check_launcher, training
from ctrecon.config.words import Words
from ctrecon.disk.atomic import write_text
from ctrecon.disk.table import as_csv
from ctrecon.errors import InputError
from ctrecon.evaluate import evaluate_guest, evaluate_images, evaluate_run, test_set
from ctrecon.evidence.comparison import Comparison
from ctrecon.evidence.contestant import of_results
from ctrecon.fitting.launch import run_of
from ctrecon.fitting.sweep import attempt
from ctrecon.report.comparison import write
from ctrecon.study.study import PlannedRun, Study, measured

RATES = "rates.csv"  # what the race decided


def main(words: Iterable[str]) -> None:
    """ctrecon reproduce."""
    chosen, rest = options("reproduce", words)
    print(reproduce(**chosen, words=rest))


def reproduce(
    figure: str,
    profile: str,
    runs: str | None,
    out: str | None,
    contestants: list[str] | None,
    contestants_file: File | None,
    sizes: list[int | str] | None,
    turns: list[int | float] | None,
    seeds: list[Seed] | None,
    rates: list[int | float] | None,
    words: Words,
) -> str:
    """Leave the figure, and the runs that it is drawn from.

    Args:
        figure: A name in conf/figure.
        profile: A name in conf/profile.
        runs: Folder for the run folders; None: runs/PROFILE.
        out: Folder for the figure; None: FIGURE in that of the runs.
        contestants_file: Of the user's own, whose contestants take part too: models, guests, images of other programs.
        contestants, sizes, turns, seeds, rates: Instead of the figure's and the profile's; None: theirs.
        words: Of every training; those about hydra say where it runs.

    Returns:
        What there is to say.

    Raises:
        InputError: A name or a word is unknown, the data is missing, runs of other words are in the way, or a training failed.
    """
    given = {"contestants": contestants, "sizes": sizes, "turns": turns, "seeds": seeds, "rates": rates}
    check_launcher(words)
    for key in words.swept:
        raise InputError(f"{key}: several values; a figure varies what its conf/figure says")
    launcher, words = words.only(lambda word: word.about_hydra), words.only(lambda word: not word.about_hydra)
    plan, folder = plan_of(figure, profile, contestants_file, **given), Path(runs or f"runs/{profile}")
    study = Study(figure, plan, folder, words)
    collection = Experiment(compose(study.words)).collection
    study.fit_to(collection.rows("train"), collection.endless)
    train_and_measure(study, launcher)
    comparison = Comparison([of_results(results, name) for name, results in study.entries()])
    target = Path(out) if out else folder / f"figure_{figure}"
    write_text(target / RATES, as_csv(study.rates_tried()))
    return write(comparison, target, plan["title"], plan["draw"], plan["profile"]["size"])


def train_and_measure(study: Study, launcher: Words) -> None:
    """Do what is left of a study. Raises InputError where a training that is to be measured failed, or what another program left is wrong."""
    for one in study.others():
        task = partial(_measure_other, guest=one.guest, images=one.images, turns=study.turns, out=str(one.results.path))
        _do(f"measurement of {one.contestant}", [one], partial(_other_measured, turns=study.turns), task, launcher)
    _do("race for the learning rates", study.race(), lambda one: one.run.done(), attempt, launcher)
    measure, left = partial(_measure, turns=study.turns, where=study.where), lambda one: measured(one.results, study.turns)
    _do("trainings and measurements", study.learned(), left, measure, launcher)
    _do("averages over turns", study.averages(), left, partial(measure, averaged=True), launcher)
    for one in (*study.learned(), *study.averages()):
        if not left(one):
            raise InputError(f"{one.run.path}: {one.run.status()['error'] or 'not measured'}; the same command tries again")


def _do(
    what: str,
    planned: list[PlannedRun],
    done: Callable[[PlannedRun], bool],
    task: Callable[[dict[str, Any]], Any],
    launcher: Words,
) -> None:
    """Do what is left of some planned runs, where the launcher says."""
    for one in {one.contestant: one for one in reversed(planned)}.values():  # all of a contestant differ by what their folders say
        one.run.check(identity(of_training(training(one.words), one.run)[0]))
    left = [one.words for one in planned if not done(one)]
    print(f"{what}: {len(planned)}, of which {len(planned) - len(left)} are done", flush=True)
    dispatch(left, task, launcher)


def _measure(values: dict[str, Any], turns: list[int | float], where: str, averaged: bool = False) -> None:
    """Train a run where it is not done, and measure it. The first seed is also certified."""
    attempt(values)
    run = run_of(values)
    if run.done():
        results = run / ("averaged" if averaged else "") / where
        certificate = values["seed"] == 0 and not where and not averaged
        evaluate_run(str(run.path), [], turns, str(results), values["device"], certificate, averaged=averaged)


def _measure_other(values: dict[str, Any], guest: str | None, images: str | None, turns: list[int | float], out: str) -> None:
    """Measure what there is nothing to train of."""
    if guest:
        evaluate_guest(guest, values, turns, out, values["device"])
    if images:
        evaluate_images(images, values, turns, out)


def _other_measured(one: PlannedRun, turns: list[int | float]) -> bool:
    """Whether that guest or folder was measured on what the words say now: it has no configuration that would tell."""
    if not measured(one.results, turns):
        return False
    summary = one.results.summary()
    test = test_set(identity(of_training(training(one.words), one.run)[0]), turns)
    same = {key: summary["test"].get(key) for key in test} == test
    return same and (summary.get("guest"), summary.get("images")) == (one.guest, one.images)
