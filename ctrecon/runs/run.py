"""The run folder: everything a training was, is and yielded. Beside these files lie the `Results` of its measurement.

config.yaml          resolved configuration
weights.safetensors  best weights on validation, parameters only, with the checksum of their values
resume.pt            what is needed to go on, read with weights_only=True; resume.previous.pt, the one before, in case it is damaged
status.json          running, stopped, failed or done; how far, how good, and what went wrong
patients.json        whom it learned from and was chosen by: nobody to be measured on
history.csv          a row a validation, or a number that was tried
environment.json     versions, device, commit, command

torch, which takes seconds to load, is loaded where weights and states are read and written: `ctrecon status` needs neither.
"""

import hashlib
import io
import math
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ctrecon.disk.atomic import replacing, write_text
from ctrecon.disk.difference import differences
from ctrecon.disk.yaml_file import as_yaml, read_yaml
from ctrecon.errors import InputError
from ctrecon.runs.folder import Folder
from ctrecon.runs.moved import current_run

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS, RESUME, PREVIOUS = "config.yaml", "weights.safetensors", "resume.pt", "resume.previous.pt"
STATUS, PATIENTS, HISTORY, ENVIRONMENT = "status.json", "patients.json", "history.csv", "environment.json"
NOTHING = {"state": "waiting", "step": 0, "steps": None, "images": None, "best": None, "held_out": None, "error": None}
STATES = ("waiting", "running", "stopped", "failed", "done")


class Run(Folder):
    """One run folder, `runs/NAME/SEED`."""

    cure = "run ctrecon train again, into another folder"

    @property
    def name(self) -> str:
        """NAME of `runs/NAME/SEED`."""
        return self.path.resolve().parent.name

    def config(self) -> dict[str, Any]:
        """The configuration. Raises InputError where the folder is not a run."""
        if not (self / CONFIG).is_file():
            raise InputError(f"{self.path}: no {CONFIG}; expected a run folder such as runs/NAME/SEED")
        config = read_yaml(self / CONFIG)
        if not isinstance(config, dict):
            raise InputError(f"{self / CONFIG}: expected the configuration of a run")
        return current_run(config)

    def begun(self) -> bool:
        """Whether the folder holds a run already."""
        return (self / CONFIG).is_file()

    def check(self, config: dict[str, Any]) -> None:
        """Raises InputError where the folder holds a run of another configuration; the message shows the difference."""
        different = list(differences(self.config(), config)) if self.begun() else []
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
        write_text(self / CONFIG, as_yaml(config))
        self.write_json(ENVIRONMENT, environment)
        self.write_json(PATIENTS, patients)
        self.report("running", steps=steps, images=images)

    def patients(self) -> dict[str, list[str]]:
        """Whom the run learned from, by split. Raises InputError where the file is damaged."""
        people = self.read_json(PATIENTS) if (self / PATIENTS).is_file() else {}
        if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in people.values()):
            raise InputError(f"{self / PATIENTS}: damaged (expected lists of names); {self.cure}")
        return people

    def save_weights(self, model: "torch.nn.Module") -> None:
        """Keep the model's parameters."""
        from ctrecon.runs import weights

        weights.save(model, self / WEIGHTS)

    def load_weights(self, model: "torch.nn.Module") -> None:
        """Set the model's parameters. Raises InputError where they are missing, damaged or of another model."""
        from ctrecon.runs import weights

        weights.load(self / WEIGHTS, model)

    def weights_sha256(self) -> str:
        """The SHA-256 checksum of the file of the weights, in hexadecimal digits."""
        return hashlib.sha256((self / WEIGHTS).read_bytes()).hexdigest()

    def save_state(self, state: dict[str, Any]) -> None:
        """Keep everything needed to go on, and what was kept before."""
        import torch

        content = io.BytesIO()
        torch.save(state, content)
        with replacing(self / RESUME) as temporary:
            temporary.write_bytes(content.getbuffer())
            if (self / RESUME).is_file():
                (self / RESUME).replace(self / PREVIOUS)

    def load_state(self) -> dict[str, Any] | None:
        """What was kept last; where that is damaged, what was kept before; None where there is neither."""
        import torch

        for name in (RESUME, PREVIOUS):
            try:
                with zipfile.ZipFile(self / name) as archive:
                    if damaged := archive.testzip():  # torch reads past a wrong checksum
                        raise ValueError(f"{damaged} does not have its checksum")
                return torch.load(self / name, weights_only=True, map_location="cpu")
            except FileNotFoundError:
                continue
            except Exception as error:  # torch raises many kinds for damaged files
                reason = " ".join(str(error).split())[:80]
                print(f"{self / name}: damaged ({reason}); going on from what was kept before it, or from the start")
        return None

    def report(self, state: str, **news: int | float | str | None) -> None:
        """Say how the run is, one of STATES; and what is new of `step`, `steps`, `images`, `best` (PSNR of the kept weights), `held_out` and `error`."""
        self.write_json(STATUS, self._reported() | {"error": None} | news | {"state": state})

    def fail(self, error: BaseException) -> None:
        """Say what went wrong, if the disk can still take it."""
        with suppress(OSError):
            self.report("failed", error=" ".join(str(error).split()) or type(error).__name__)

    def status(self) -> dict[str, Any]:
        """What was reported last; `stopped` where the run's process is gone."""
        status = self._reported()
        return status | {"state": "stopped"} if status["state"] == "running" and not self.busy() else status

    def _reported(self) -> dict[str, Any]:
        """What was reported last; NOTHING where the file is missing or damaged: training finds out from what it kept."""
        try:
            found = NOTHING | self.read_json(STATUS)
        except InputError:
            return NOTHING
        return found if _is_status(found) else NOTHING

    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return self._reported()["state"] == "done" and (self / WEIGHTS).is_file()

    def finish(self, model: "torch.nn.Module", history: list[dict[str, Any]], scores: dict[str, Any]) -> None:
        """Leave a model that took no steps of an optimiser as done, with what is to be reported of it."""
        self.write_rows(HISTORY, history)
        self.save_weights(model)
        self.report("done", step=history[-1]["step"], steps=history[-1]["step"] or None, **scores)


def _is_status(found: dict[str, Any]) -> bool:
    number = lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)  # noqa: E731
    return (
        found["state"] in STATES
        and isinstance(found["step"], int)
        and all(found[key] is None or isinstance(found[key], int) for key in ("steps", "images"))
        and all(found[key] is None or number(found[key]) for key in ("best", "held_out"))
        and (found["error"] is None or isinstance(found["error"], str))
    )
