"""Configuration -> objects.

A run folder's configuration travels, and instantiating it is running code: only classes and functions that are defined in this
package's own rooms are ever called.
"""

import importlib
import inspect
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import yaml

from ctrecon.configure import amend, compose, groups, plain, what_it_is
from ctrecon.conv.family import ConvFamily
from ctrecon.data.collection import Collection
from ctrecon.data.examples import Examples
from ctrecon.data.pairs import Pairs
from ctrecon.data.scanner import Scanner
from ctrecon.data.selection import Selection
from ctrecon.data.sinogram_store import sinogram_store
from ctrecon.errors import InputError
from ctrecon.models.model import Model
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.noise import Noise
from ctrecon.physics.projector import Projector
from ctrecon.physics.ray import RayTransform
from ctrecon.run import Run

ROOMS = ("physics", "conv", "ode", "data", "models", "optimizer", "fit")  # where targets may be defined
EXPERIMENT = (*(name for name in groups() if name != "experiment"), "seed")  # what a configuration has to have
MARKS = ("_target_", "_partial_")
SELECTION = tuple(Selection.__dataclass_fields__)  # what of `data` says how many images are used


def make(node: dict[str, Any], **parts: Any) -> Any:
    """The object of a configuration node with a `_target_`, given those parts that its signature names.

    Raises:
        InputError: The target is not this package's own, or the values do not fit.
    """
    target = _target(node)
    signature = inspect.signature(target)
    values = {key: value for key, value in node.items() if key not in MARKS}
    values |= {name: part for name, part in parts.items() if name in signature.parameters}
    if node.get("_partial_"):
        return partial(target, **values)
    try:
        return target(**values)
    except TypeError as error:  # an argument too many, too few, or of another kind
        raise InputError(f"{target.__name__}: {error}; check its options") from error


def _target(node: dict[str, Any]) -> Any:
    """The class or function of a node, if it is defined in one of our rooms (not merely reachable through one)."""
    path = str(node.get("_target_", "")) if isinstance(node, dict) else ""
    module, _, name = path.rpartition(".")
    if module.split(".")[:1] != ["ctrecon"] or module.split(".")[1:2] not in [[room] for room in ROOMS]:
        raise InputError(f"_target_: {path or 'none'}: expected a class in one of ctrecon's {', '.join(ROOMS)}")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(f"_target_: {path}: no such class in this version of ctrecon") from None
    if getattr(target, "__module__", None) != module or not callable(target):
        raise InputError(f"_target_: {path}: expected a class or function defined in {module}")
    return target


class Experiment:
    """The objects of one configuration, each made when first asked for.

    Args:
        config: Plain values, as `compose` or a run folder's config.yaml gives them.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        for name in EXPERIMENT:
            if name not in config:
                raise InputError(f"the configuration has no {name}: expected that of an experiment, as ctrecon train writes")

    @cached_property
    def geometry(self) -> Geometry:
        """The scan."""
        return make(self.config["geometry"])

    @cached_property
    def projector(self) -> Callable[[Geometry], Projector]:
        """Makes what computes the ray transform of a geometry."""
        return make(self.config["projector"])

    @cached_property
    def noise(self) -> Noise:
        """The measurement noise."""
        return make(self.config["noise"])

    @cached_property
    def fit(self):
        """How the model is fitted."""
        return make(self.config["fit"])

    @cached_property
    def optimizer(self) -> Callable[[Model, float], torch.optim.Optimizer]:
        """Makes the optimiser of a model and a learning rate."""
        return make(self.config["optimizer"])

    @cached_property
    def scanner(self) -> Scanner:
        """Simulates pairs of truth and sinogram."""
        return Scanner(self.geometry, self.noise, self.config["data"]["seed"], self.projector)

    @cached_property
    def collection(self) -> Collection:
        """The images."""
        return make(self._source)

    @property
    def _source(self) -> dict[str, Any]:
        """What says where the images come from, and in which order."""
        data = what_it_is({"data": self.config["data"]})["data"]
        return {key: value for key, value in data.items() if key not in (*SELECTION, "noise")}

    def pairs(self, split: str) -> Pairs:
        """The pairs of a split."""
        rows = Selection(**{key: self.config["data"][key] for key in SELECTION}).rows(self.collection, split)
        store = sinogram_store(self._source, split, len(rows), self.scanner.ray.geometry, self.config["projector"])
        return Pairs(self.collection, rows, self.scanner, store)

    def examples(self) -> Examples:
        """The training pairs in the order and the poses in which they are learned from."""
        return Examples(self.pairs("train"), make(self.config["augment"]), self.config["data"]["noise"], self.config["seed"])

    def model(self) -> Model:
        """The model with freshly drawn parameters, a function of the configuration and its seed alone."""
        wanted = inspect.signature(_target(self.config["model"])).parameters
        torch.manual_seed(self.config["seed"])
        parts = {name: part() for name, part in self._parts().items() if name in wanted}
        return make(self.config["model"], **parts)

    def _parts(self) -> dict[str, Any]:
        config = self.config
        return {
            "geometry": lambda: self.geometry,
            "ray": lambda: self.ray,
            "term": lambda: make(config["data_term"], ray=self.ray),
            "start": lambda: make(config["start"], geometry=self.geometry),
            "family": self.family,
            "cell": lambda: make(config["cell"]),
            "field": lambda: make(config["field"]),
            "block": lambda: make(config["block"], integrator=make(config["integrator"])),
            "initialisation": lambda: make(config["initialisation"]),
        }

    def family(self) -> ConvFamily:
        """What a feature is."""
        return make(self.config["conv"], activation=make(self.config["normalisation"], activation=make(self.config["activation"])))

    @cached_property
    def ray(self) -> RayTransform:
        """The ray transform on the reconstruction's grid."""
        return RayTransform(self.geometry, self.projector)


def read_geometry(where: Path, text: str) -> dict[str, Any]:
    """The configuration of a geometry from YAML text. Raises InputError where it is none."""
    try:
        node = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where}: not readable YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(node, dict) or not str(node.get("_target_")).startswith("ctrecon.physics.geometry."):
        raise InputError(
            f"{where}: no geometry in the form of conf/geometry; expected one, with its _target_, or another file name"
        )
    make(node)
    return node


def experiment_of(run: str | None, words: list[str]) -> Experiment:
    """The experiment of a run folder, or of conf/train.yaml, changed by words."""
    return Experiment(amend(Run(run).config(), words) if run else plain(compose(words)))


def model_of(run: str | None, words: list[str]) -> tuple[Experiment, Model]:
    """The experiment and its model: with the run's weights, or, without a run, freshly drawn."""
    experiment = experiment_of(run, words)
    model = experiment.model()
    if run:
        Run(run).load_weights(model)
    return experiment, model
