"""The search of a centre of rotation as a picture: the misfit of every shift around it."""

import io

from matplotlib.figure import Figure

from ctrecon.disk.atomic import check_free, writable, write_bytes
from ctrecon.disk.format import DRAWING, suffix_of
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


def write_picture(centre: Centre, geometry: Geometry, path: str, overwrite: bool) -> None:
    """The picture in a file, in the format of its suffix. Raises InputError or OSError where none can be written there."""
    where, content = writable(path, DRAWING), io.BytesIO()
    check_free(path, overwrite, where)
    draw(centre, geometry).savefig(content, format=suffix_of(where)[1:], dpi=150)
    write_bytes(where, content.getbuffer())
