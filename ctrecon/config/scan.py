"""Which scan a sinogram is of: the geometry that comes with its file, or the one that is chosen, and that these do not contradict."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ctrecon.config.compose import amend, config_of, says_field_of_view
from ctrecon.config.conf import groups, member
from ctrecon.config.experiment import Experiment
from ctrecon.config.make import make
from ctrecon.config.member import checked_node
from ctrecon.config.words import Word, Words
from ctrecon.disk.yaml_file import parse_yaml
from ctrecon.errors import InputError
from ctrecon.physics.geometry import Geometry

ANGLES = ("start_deg", "step_deg", "angles_deg", "scan_views", "views")  # together they say at which angles the views are
ONE = "ctrecon.physics.scans.One"
FREE = ("pixels",)  # the reconstruction's choice, no part of the scan


def read_geometry(where: Path, text: str) -> tuple[dict[str, Any], Geometry]:
    """The configuration of a geometry from YAML text, and the geometry. Raises InputError where it is none."""
    node = checked_node("geometry", parse_yaml(text, str(where)), str(where))
    try:
        return node, make("geometry", node)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def scanned(run: str | None, words: Words, beside: tuple[Path, str] | None) -> tuple[Experiment, str] | None:
    """The experiment that a sinogram is reconstructed in, and in words where its geometry is from; None: nobody says the geometry.

    Of a geometry beside the sinogram the size of the image is taken too, unless geometry.fov_m says another one.

    Args:
        run: A run folder, whose geometry counts as chosen, unless it learned from several scans.
        words: geometry=NAME chooses; geometry.KEY=VALUE alone changes what is beside the sinogram.
        beside: The geometry that comes with the sinogram, as (where, YAML text).

    Raises:
        InputError: The geometry beside is none, or not that of the scan that is chosen.
    """
    named = any(word.key == "geometry" for word in words.parsed)
    free = run is None or knows_several_scans(run)
    if beside is None:
        if free and not named and not any(word.key == "experiment" for word in words.parsed):
            return None
        return Experiment(config_of(run, words)), _chosen(run, words)
    where, text = beside
    node, theirs = read_geometry(where, text)
    if free and not named:
        about = words.only(_about)
        config = config_of(run, words.only(lambda word: not _about(word))) | {"geometry": node}
        if not about:
            return Experiment(config, theirs), str(where)
        config["geometry"] = node | {"bins": theirs.bins, "bin_m": theirs.bin_m}  # was measured: stays with other pixels
        return Experiment(amend(config, about)), f"{where}, changed by {' '.join(about)}"
    config = config_of(run, words)
    if not says_field_of_view(words):
        config["geometry"]["fov_m"] = theirs.fov_m
    experiment = Experiment(config)
    _check_same(where, theirs, experiment.geometry)
    return experiment, f"{_chosen(run, words)}, which is that of {where}"


def knows_several_scans(run: str) -> bool:
    """Whether a run learned from several scans: then it is for others too."""
    scans = config_of(run, []).get("scans")
    return isinstance(scans, dict) and scans.get("_target_") != ONE


def _chosen(run: str | None, words: Words) -> str:
    said = [str(word.values[0]) for word in words.parsed if word.key == "geometry"]
    return said[-1] if said else f"that of {run}" if run else "that of the experiment"


def _about(word: Word) -> bool:
    return word.key.startswith("geometry.")


def fitting(shape: tuple[int, int]) -> list[str]:
    """The geometries of conf/ whose sinograms have that many views and bins."""
    made = {name: make("geometry", member("geometry", name)) for name in groups()["geometry"]}
    return [name for name, one in made.items() if shape in (one.shape, (one.seen.scanned, one.bins))]


def _check_same(where: Path, theirs: Geometry, ours: Geometry) -> None:
    """Raises InputError where two geometries are not of one measurement, up to rounding."""
    if (type(theirs), theirs.shape, theirs.fov_m) == (type(ours), ours.shape, ours.fov_m) and np.allclose(
        theirs.frames(), ours.frames(), rtol=0, atol=1e-9 * ours.fov_m
    ):
        return
    raise InputError(
        f"{where}: another geometry than the one in use ({'; '.join(differences(theirs, ours))}): leave one of them out"
    )


def differences(there: Geometry, here: Geometry) -> list[str]:
    """What is different about two scans, each in the unit of its name; pixels are the reconstruction's choice."""
    if type(there) is not type(here):
        return [f"class: {type(there).__name__} there, {type(here).__name__} here"]
    names = [one.name for one in fields(there) if one.init and one.name not in (*ANGLES, *FREE)]
    pairs = {name: (getattr(there, name), getattr(here, name)) for name in names}
    found = [f"{name}: {_brief(a)} there, {_brief(b)} here" for name, (a, b) in pairs.items() if _brief(a) != _brief(b)]
    a, b = np.rad2deg(there.angles_rad), np.rad2deg(here.angles_rad)
    if len(a) != len(b):
        return [f"views: {len(a)} there, {len(b)} here", *found]
    apart = np.flatnonzero(np.abs((a - b + 180) % 360 - 180) > 1e-6)
    if len(apart):
        first = apart[0]
        found.insert(
            0, f"view {first} at {a[first]:.9g} degrees there, at {b[first]:.9g} degrees here, {len(apart)} of {len(a)} differ"
        )
    return found or ["views in another order"]


def _brief(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{one:.9g}" for one in value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)
