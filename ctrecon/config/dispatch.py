"""Jobs -> wherever Hydra's launcher runs them: here one after the other, in processes (joblib), on a cluster (submitit, ray)."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from ctrecon.config.conf import CONF
from ctrecon.config.sweep import training
from ctrecon.errors import InputError
from ctrecon.machine.interrupt import STOPPED, listening


def dispatch(jobs: Sequence[Sequence[str]], task: Callable[[dict[str, Any]], Any], launcher: Iterable[str]) -> None:
    """Do a task for each job. A signal that asks to stop is passed on to jobs in processes of their own.

    Args:
        jobs: The words of each.
        task: A function at the top of a module, or a partial of one, of the composed configuration: it may run in another process.
        launcher: Words about where: hydra/launcher=joblib.

    Raises:
        InputError: The launcher cannot launch.
        SystemExit: With status STOPPED, where a signal asked for it.
    """
    if not jobs:
        return
    GlobalHydra.instance().clear()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us as they are
    try:
        with listening() as interrupted:
            _launch(jobs, task, launcher)
    except (HydraException, RuntimeError) as error:  # the launcher's own: jobs keep theirs in their folders
        raise InputError(f"the jobs could not be launched: {str(error).strip().splitlines()[0]}") from error
    if interrupted():
        raise SystemExit(STOPPED)


def _launch(jobs: Sequence[Sequence[str]], task: Callable[[dict[str, Any]], Any], launcher: Iterable[str]) -> None:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        context = HydraContext(config_loader=loader, callbacks=Callbacks())
        config = loader.load_configuration("train", list(launcher), run_mode=RunMode.MULTIRUN)
        chosen = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=partial(_composed, task, jobs), config=config
        )
        # Without the words: Hydra's own composition knows no kinds and no files in place of members.
        for job in chosen.launch([[] for _ in jobs], initial_job_idx=0):
            if isinstance(job.return_value, InputError):  # what else a job raised, this raises
                raise job.return_value


def _composed(task: Callable[[dict[str, Any]], Any], jobs: Sequence[Sequence[str]], config: DictConfig) -> Any:
    try:
        return task(training(jobs[HydraConfig.get().job.num]))
    except InputError as error:  # Hydra would print a line of its own
        return error
