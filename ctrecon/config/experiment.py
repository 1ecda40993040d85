"""Configuration -> the objects of an experiment."""

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

import torch

from ctrecon.config.compose import config_of
from ctrecon.config.conf import groups
from ctrecon.config.kind import Positive, fits, hints, in_words
from ctrecon.config.make import check_kinds, make, target
from ctrecon.config.training import Images, Training
from ctrecon.conv.family import ConvFamily
from ctrecon.data.collection import Collection
from ctrecon.data.examples import Examples
from ctrecon.data.pairs import Pairs
from ctrecon.data.scanner import Scanner
from ctrecon.data.selection import Selection
from ctrecon.data.sinogram_store import sinogram_store
from ctrecon.errors import InputError
from ctrecon.models.classical import FBP
from ctrecon.models.initialisation import NotDrawn
from ctrecon.models.model import Model
from ctrecon.models.network import Network
from ctrecon.objective.attempt import Setting
from ctrecon.objective.objective import Objective
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.noise import Noise
from ctrecon.physics.projector import Projector
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.scans import Scans
from ctrecon.runs.run import Run

EXPERIMENT = (*(name for name in groups() if name != "experiment"), "seed")  # what a configuration has to have
SELECTION = tuple(Selection.__dataclass_fields__)  # what of `data` says how many images are used


class Experiment:
    """The objects of one configuration, each made when first asked for.

    Args:
        config: Plain values, as `compose` or a run folder's config.yaml gives them.
        geometry: That of the configuration, where it is made already.

    Raises:
        InputError: The configuration is not one of an experiment.
    """

    def __init__(self, config: dict[str, Any], geometry: Geometry | None = None) -> None:
        self.config = config
        for name in EXPERIMENT:
            if config.get(name) is None:
                raise InputError(f"the configuration has no {name}: expected that of an experiment, as ctrecon train writes")
            if name != "seed" and not isinstance(config[name], dict):
                raise InputError(f"{name}={str(config[name])[:80]}: expected options, with the class as _target_")
        check_kinds("", config, hints(Training))
        check_kinds("data", {"seed": "???", "noise": "???"} | config["data"], hints(Images))
        if geometry is not None:
            self.geometry = geometry

    @cached_property
    def geometry(self) -> Geometry:
        """The scan."""
        return make("geometry", self.config["geometry"])

    @cached_property
    def projector(self) -> Callable[[Geometry], Projector]:
        """Makes what computes the ray transform of a geometry."""
        return make("projector", self.config["projector"])

    @cached_property
    def noise(self) -> Noise:
        """The measurement noise."""
        return make("noise", self.config["noise"])

    @cached_property
    def fit(self):
        """How the model is fitted."""
        return make("fit", self.config["fit"])

    @cached_property
    def objective(self) -> Objective:
        """What is minimised."""
        return _objective(self.config["objective"])

    @cached_property
    def optimizer(self) -> Callable[[Model, float], torch.optim.Optimizer]:
        """Makes the optimiser of a model and a learning rate."""
        return make("optimizer", self.config["optimizer"])

    @cached_property
    def scanner(self) -> Scanner:
        """Simulates pairs of truth and sinogram."""
        return Scanner(self.geometry, self.noise, self._images["seed"], self.projector)

    @cached_property
    def law(self) -> Scans:
        """Which scans there are to learn from, and when."""
        return make("scans", self.config["scans"])

    @cached_property
    def scans(self) -> list["Experiment"]:
        """The same experiment on each scan that the model learns from; itself where that is its own."""
        geometries = self.law.geometries(self.geometry)
        return [self if one is self.geometry else Experiment(self.config, one) for one in geometries]

    @cached_property
    def collection(self) -> Collection:
        """The images."""
        return make("data", self._source)

    @property
    def _source(self) -> dict[str, Any]:
        """What says where the images come from, and in which order."""
        return {key: value for key, value in self.config["data"].items() if key not in (*SELECTION, "noise")}

    @cached_property
    def _images(self) -> dict[str, Any]:
        """Which images are used, and the seed of their noise."""
        return {key: value for key, value in self.config["data"].items() if key in hints(Images)}

    def pairs(self, split: str) -> Pairs:
        """The pairs of a split."""
        rows = Selection(**{key: self._images.get(key) for key in SELECTION}).rows(self.collection, split)
        store = sinogram_store(self._source, split, len(rows), self.scanner.ray.geometry, self.config["projector"])
        return Pairs(self.collection, rows, self.scanner, store)

    def examples(self) -> Examples:
        """The training pairs in the order and the poses in which they are learned from."""
        augment, fit, seed = make("augment", self.config["augment"]), self.config["fit"], self.config["seed"]
        scan = partial(self.law.of_step, steps=fit["steps"], seed=seed)
        return Examples([one.pairs("train") for one in self.scans], augment, self._images["noise"], seed, fit["batch"], scan)

    def model(self, run: str | None = None) -> Model:
        """The model with the weights of a run, or freshly drawn: then a function of the configuration and its seed alone.

        Raises:
            InputError: Parts do not fit each other, or the run's weights are missing, damaged or of another model.
        """
        if run:
            made = self.undrawn()
            Run(run).load_weights(made)
            return made
        torch.manual_seed(self.config["seed"])
        return self._made(self._parts())

    def undrawn(self) -> Model:
        """The model with parameters that mean nothing, to be given others: drawing them takes as long as a small reconstruction."""
        return self._made(self._parts() | {"initialisation": NotDrawn})

    def _made(self, parts: dict[str, Any]) -> Model:
        wanted = inspect.signature(target("model", self.config["model"])).parameters
        made = make("model", self.config["model"], **{name: part() for name, part in parts.items() if name in wanted})
        made.maker = partial(_undrawn, self.config)
        return made

    def _parts(self) -> dict[str, Any]:
        config = self.config
        return {
            "geometry": lambda: self.geometry,
            "ray": lambda: self.ray,
            "term": lambda: self._term(self.geometry),
            "terms": lambda: self._term,
            "start": lambda: make("start", config["start"], geometry=self.geometry, ray=self.ray, start=FBP(self.geometry)),
            "family": self.family,
            "strip": lambda: make("strip", config["strip"]),
            "network": self._network,
            "cell": lambda: make("cell", config["cell"], network=self._network()),
            "block": self._block,
            "initialisation": lambda: make("initialisation", config["initialisation"]),
        }

    def _network(self) -> Callable[..., Network]:
        return make("network", self.config["network"])

    def _block(self) -> Callable[[ConvFamily], torch.nn.Module]:
        integrator = make("integrator", self.config["integrator"])
        field, block = make("field", self.config["field"]), make("block", self.config["block"], integrator=integrator)
        return lambda family: block(partial(field, family))

    def family(self) -> ConvFamily:
        """What a feature is."""
        activation = make("activation", self.config["activation"])
        return make(
            "conv", self.config["conv"], activation=make("normalisation", self.config["normalisation"], activation=activation)
        )

    def setting(self, model: Model) -> Setting:
        """A model on this scan, as an objective sees it."""
        return Setting(model, lambda: self.ray, self.noise)

    @cached_property
    def ray(self) -> RayTransform:
        """The ray transform on the reconstruction's grid."""
        return RayTransform(self.geometry, self.projector)

    def _term(self, geometry: Geometry) -> Any:
        """The data term on a grid."""
        ray = self.ray if geometry is self.geometry else RayTransform(geometry, self.projector)
        return make("data_term", self.config["data_term"], ray=ray)


def _objective(node: dict[str, Any]) -> Objective:
    """An objective, the terms of a sum made before it."""
    terms = node.get("terms")
    if not isinstance(terms, dict):
        return make("objective", node)
    made, rest = {}, {key: value for key, value in node.items() if key != "terms"}
    for name, term in terms.items():
        weight = term.get("weight") if isinstance(term, dict) else None
        if not fits(weight, Positive):
            raise InputError(f"objective.terms.{name}.weight={weight}: expected {in_words(Positive)}")
        made[name] = weight, _objective({key: value for key, value in term.items() if key != "weight"})
    return make("objective", rest, terms=made)


def _undrawn(config: dict[str, Any], geometry: Geometry) -> Model:
    return Experiment(config, geometry).undrawn()


def experiment_of(run: str | None, words: Iterable[str]) -> Experiment:
    """The experiment of that configuration."""
    return Experiment(config_of(run, words))


def model_of(run: str | None, words: Iterable[str]) -> tuple[Experiment, Model]:
    """The experiment and its model: with the run's weights, or, without a run, freshly drawn."""
    experiment = experiment_of(run, words)
    return experiment, experiment.model(run)
