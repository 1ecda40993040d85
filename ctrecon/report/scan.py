"""A scan as a small picture: source, object, detector and covered angles."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ctrecon.physics.beam import across
from ctrecon.physics.geometry import Geometry

LEGEND = "square: image; dots: where the rays of each view come from; bar: detector of the first view, with its outer rays"
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character, by row and column
WIDTH = 44  # characters


def draw(geometry: Geometry) -> Figure:
    """The picture, as the image is seen: rows downwards."""
    figure = Figure(figsize=(4, 4), dpi=2 * WIDTH / 4)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_aspect("equal")
    frames, half = geometry.frames(), geometry.fov_m / 2
    line = {"linewidth": 0.7, "color": "black", "antialiased": False}
    axes.plot(half * np.array([-1, 1, 1, -1, -1]), half * np.array([-1, -1, 1, 1, -1]), **line)
    extent = frames[:, -1]
    ends = np.array([frames[0, -2] - extent[0], frames[0, -2] + extent[0]])
    along = across(extent) / np.linalg.norm(extent[0])
    sources = geometry.sources()
    if sources is not None:
        starts = sources[[0, 0]]
    else:  # the middle of where parallel rays come from
        sources = frames[:, 0] - 1.2 * geometry.fov_m * along
        starts, ends = ends - 1.2 * geometry.fov_m * along[0], ends + 1.2 * geometry.fov_m * along[0]
    axes.plot(sources[:, 1], sources[:, 0], "s", markersize=2.5, markeredgewidth=0, color="black", antialiased=False)
    for start, end in zip(starts, ends, strict=True):
        axes.plot([start[1], end[1]], [start[0], end[0]], linestyle=(0, (5, 10)), **line)
    axes.plot(ends[:, 1], ends[:, 0], **(line | {"linewidth": 6}))
    axes.margins(0.03)
    axes.invert_yaxis()
    return figure


def as_text(geometry: Geometry) -> str:
    """The picture in braille characters, two by four dots each."""
    canvas = FigureCanvasAgg(draw(geometry))
    canvas.draw()
    dark = np.asarray(canvas.buffer_rgba())[..., 0] < 128
    dark = np.pad(dark, [(0, -size % step) for size, step in zip(dark.shape, (4, 2), strict=True)])
    cells = dark.reshape(dark.shape[0] // 4, 4, dark.shape[1] // 2, 2)
    codes = 0x2800 + np.einsum("rick,ik->rc", cells, np.array(DOTS))
    return "\n".join("".join(map(chr, row)).rstrip("\u2800") for row in codes).strip("\n")
