"""The search of a centre of rotation as a picture: the misfit of every shift around it."""

from matplotlib.figure import Figure

from ctrecon.measurement.centre import Centre, bin_of
from ctrecon.physics.geometry import Geometry


def draw(centre: Centre, geometry: Geometry) -> Figure:
    """The picture."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.add_subplot()
    found, error = bin_of(geometry, centre.offset_m), centre.error_m / geometry.bin_m
    axes.plot([bin_of(geometry, one) for one in centre.tried_m], centre.misfits, "o-", color="#222222")
    axes.axvline(found, color="#0072b2")
    axes.axvspan(found - error, found + error, color="#0072b2", alpha=0.2, lw=0)
    axes.set_title(f"bin {found:.2f}, standard error {error:.2f}")
    axes.set_xlabel("bin that the central ray meets, counted from 0")
    axes.set_ylabel("misfit, over the least that was tried")
    return figure
