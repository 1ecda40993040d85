"""A drawing in a file of its own."""

import io

from matplotlib.figure import Figure

from ctrecon.disk.atomic import check_free, writable, write_bytes
from ctrecon.disk.format import DRAWING, suffix_of


def write_drawing(figure: Figure, path: str, overwrite: bool) -> None:
    """A figure in a file, in the format of its suffix. Raises InputError or OSError where none can be written there."""
    where, content = writable(path, DRAWING), io.BytesIO()
    check_free(path, overwrite, where)
    figure.savefig(content, format=suffix_of(where)[1:], dpi=150)
    write_bytes(where, content.getbuffer())
