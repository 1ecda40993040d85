"""The run folder: everything a run was, is and yielded.

config.yaml          resolved configuration
weights.safetensors  best weights on validation, parameters only
resume.pt            what is needed to go on, read with weights_only=True; resume.previous.pt, the one before, in case it is damaged
status.json          running, stopped, failed or done; how far, how good, and what went wrong
patients.json        whom it learned from and was chosen by: nobody to be measured on
history.csv          a row a validation
metrics.csv          a row a test image and turn
metrics.json         their means with intervals
examples.h5          some test images: truth, FBP, reconstruction
certificate.json     what the model promises, and what was measured of it
environment.json     versions, device, commit, command

Every file appears whole or not at all; a lock, which dies with its process, keeps a second writer out.
"""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from ctrecon.disk.atomic import replacing, write_text
from ctrecon.disk.table import as_csv
from ctrecon.errors import InputError
from ctrecon.runs.moved import current

CONFIG, WEIGHTS, RESUME, HISTORY = "config.yaml", "weights.safetensors", "resume.pt", "history.csv"
METRICS, SUMMARY, EXAMPLES, ENVIRONMENT = "metrics.csv", "metrics.json", "examples.h5", "environment.json"
CERTIFICATE, STATUS, PATIENTS, PREVIOUS = "certificate.json", "status.json", "patients.json", "resume.previous.pt"
PATIENCE_S = 1.0  # how long a lock is waited for: `status` looks at it for a moment


class Run:
    """One run folder.

    Args:
        path: The folder, `runs/NAME/SEED`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def name(self) -> str:
        """NAME of `runs/NAME/SEED`."""
        return self.path.resolve().parent.name

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other writers out. Raises InputError where another process writes to the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self / ".lock", timeout=PATIENCE_S):
                yield
        except filelock.Timeout:
            raise InputError(f"{self.path}: another process is writing to this run; wait for it, or choose another name=") from None

    def busy(self) -> bool:
        """Whether a process writes to the folder now."""
        try:
            with filelock.FileLock(self / ".lock", timeout=0):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # a folder that cannot be written to
            return False

    def config(self) -> dict[str, Any]:
        """The configuration. Raises InputError where the folder is not a run."""
        if not (self / CONFIG).is_file():
            raise InputError(f"{self.path}: no {CONFIG}; expected a run folder such as runs/NAME/SEED")
        try:
            config = yaml.safe_load((self / CONFIG).read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{self / CONFIG}: not readable YAML ({str(error).splitlines()[0]})") from None
        if not isinstance(config, dict):
            raise InputError(f"{self / CONFIG}: expected the configuration of a run")
        return current(config)

    def check(self, config: dict[str, Any]) -> None:
        """Raises InputError where the folder holds a run of another configuration; the message shows the difference."""
        different = list(_differences(self.config(), config)) if (self / CONFIG).is_file() else []
        if different:
            raise InputError(
                f"{self.path}: holds a run with another configuration ({'; '.join(different)}); choose another name= or remove the folder"
            )

    def begin(
        self,
        config: dict[str, Any],
        environment: dict[str, Any],
        patients: dict[str, list[str]],
        steps: int | None = None,
        images: int | None = None,
    ) -> None:
        """Say what the run is.

        Args:
            config: Its configuration.
            environment: What it runs on.
            patients: Whom it learns from, by split.
            steps: How many there will be; None: nobody knows.
            images: How many it learns from; None: it does not learn.

        Raises:
            InputError: As `check`.
        """
        self.check(config)
        write_text(self / CONFIG, yaml.safe_dump(config, sort_keys=False))
        self.write_json(ENVIRONMENT, environment)
        self.write_json(PATIENTS, patients)
        self.report("running", steps=steps, images=images)

    def patients(self) -> dict[str, list[str]]:
        """Whom the run learned from, by split."""
        return self.read_json(PATIENTS) if (self / PATIENTS).is_file() else {}

    def save_weights(self, model: nn.Module) -> None:
        """Keep the model's parameters (buffers are recomputed, so evaluation mode cannot leak into the file)."""
        with replacing(self / WEIGHTS) as temporary:  # by Python's own write, whose errors are OSErrors
            temporary.write_bytes(save({name: p.detach().cpu().contiguous() for name, p in model.named_parameters()}))

    def load_weights(self, model: nn.Module) -> None:
        """Set the model's parameters. Raises InputError where they are missing, damaged or of another model."""
        if not (self / WEIGHTS).is_file():
            raise InputError(
                f"{self.path}: no {WEIGHTS}: has the training reached its first validation? run ctrecon train again to go on"
            )
        try:
            weights = load_file(self / WEIGHTS)
        except SafetensorError as error:
            raise InputError(f"{self / WEIGHTS}: damaged ({error}); train again") from None
        parameters = dict(model.named_parameters())
        shapes, expected = ({name: tuple(t.shape) for name, t in part.items()} for part in (weights, parameters))
        if shapes != expected:
            odd = sorted(name for name in {*shapes, *expected} if shapes.get(name) != expected.get(name))
            raise InputError(
                f"{self / WEIGHTS}: {odd[0]} has shape {shapes.get(odd[0])}, the model {expected.get(odd[0])}: another config?"
            )
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(weights[name])

    def save_state(self, state: dict[str, Any]) -> None:
        """Keep everything needed to go on, and what was kept before."""
        content = io.BytesIO()
        torch.save(state, content)
        with replacing(self / RESUME) as temporary:
            temporary.write_bytes(content.getbuffer())
            if (self / RESUME).is_file():
                (self / RESUME).replace(self / PREVIOUS)

    def load_state(self) -> dict[str, Any] | None:
        """What was kept last; where that is damaged, what was kept before; None where there is neither."""
        for name in (RESUME, PREVIOUS):
            try:
                return torch.load(self / name, weights_only=True, map_location="cpu")
            except FileNotFoundError:
                continue
            except Exception as error:  # torch raises many kinds for damaged files
                reason = " ".join(str(error).split())[:80]
                print(f"{self / name}: damaged ({reason}); going on from what was kept before it, or from the start")
        return None

    def report(self, state: str, **news: int | float | str | None) -> None:
        """Say how the run is: running, stopped, failed or done; and what is new of `step`, `steps`, `images`, `best` and `error`."""
        self.write_json(STATUS, self._told() | {"error": None} | news | {"state": state})

    def fail(self, error: Exception) -> None:
        """Say what went wrong, if the disk can still take it."""
        with suppress(OSError):
            self.report("failed", error=" ".join(str(error).split()) or type(error).__name__)

    def status(self) -> dict[str, Any]:
        """What was reported last; `stopped` where the run's process is gone."""
        told = self._told()
        return told | {"state": "stopped"} if told["state"] == "running" and not self.busy() else told

    def _told(self) -> dict[str, Any]:
        nothing = {"state": "waiting", "step": 0, "steps": None, "images": None, "best": None, "error": None}
        try:
            return nothing | json.loads((self / STATUS).read_text())
        except (FileNotFoundError, ValueError, TypeError):  # damaged: training finds out how far it is from what it kept
            return nothing

    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return self._told()["state"] == "done" and (self / WEIGHTS).is_file()

    def finish(self, model: nn.Module, history: list[dict[str, Any]], best: float) -> None:
        """Leave a model that took no steps of an optimiser as done."""
        self.write_rows(HISTORY, history)
        self.save_weights(model)
        self.report("done", step=len(history), best=best)

    def write_rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Write a table."""
        write_text(self / name, as_csv(rows))

    def read_rows(self, name: str) -> list[dict[str, str]]:
        """A table's rows. Raises InputError where it is missing."""
        if not (self / name).is_file():
            raise InputError(f"{self.path}: no {name}: run ctrecon evaluate run={self.path} first")
        return list(csv.DictReader((self / name).read_text().splitlines()))

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file."""
        write_text(self / name, json.dumps(content, indent=2) + "\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file. Raises InputError where it is missing or damaged."""
        if not (self / name).is_file():
            raise InputError(f"{self.path}: no {name}: run ctrecon evaluate run={self.path} first")
        try:
            return json.loads((self / name).read_text())
        except json.JSONDecodeError as error:
            raise InputError(f"{self / name}: damaged ({error}); run ctrecon evaluate run={self.path} again") from None


def _differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
    elif old != new:
        yield f"{key}: {old} there, {new} here"
