"""Write ctrecon's ellipse phantoms into an HDF5 file, for other programs or to look at: the same images as data=ellipses gives.

  python data_scripts/ellipses.py --out ellipses.h5 --size 256 --train 1000 --val 100 --test 100 --seed 0

Values are attenuation over mu_max = 81.35858 1/m (unit = attenuation). Each phantom is a patient of its own.
"""

from typing import Any

import numpy as np

from ctrecon.data.ellipses import BLOCK, Ellipses
from ctrecon.data.split import SPLITS
from preparation.card import Card, verify
from preparation.command_line import file_parser, natural, positive, run
from preparation.row_file import already_made, growing

FOV_M = 0.36  # side of the square that conf/geometry's scans see


def main() -> None:
    """The script."""
    parser = file_parser(__doc__)
    parser.add_argument("--size", type=positive, default=256, help="rows and columns (default: 256)")
    for split, number in zip(SPLITS, (1000, 100, 100), strict=True):
        parser.add_argument(f"--{split}", type=positive, default=number, help=f"phantoms of split {split} (default: {number})")
    parser.add_argument("--seed", type=natural, default=0, help="of all phantoms (default: 0)")
    options = parser.parse_args()
    if options.verify:
        verify(options.out)
        return
    numbers = {split: getattr(options, split) for split in SPLITS}
    if max(numbers.values()) > BLOCK:
        parser.error(f"expected at most {BLOCK} phantoms in a split")
    selection = f"phantoms 0 to {', '.join(f'{number - 1} of {split}' for split, number in numbers.items())}"
    card = Card(
        title="Random ellipse phantoms",
        source="ctrecon.data.ellipses.Ellipses",
        licence="that of ctrecon",
        citation="none asked for",
        selection=f"{selection}, {options.size} x {options.size}, seed {options.seed}, attenuation over mu_max",
    )
    if already_made(options.out, card):
        return
    phantoms = Ellipses(size=options.size, seed=options.seed)

    def read(item: tuple[int, str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        row, split = item
        pixel_m = [FOV_M / options.size] * 2
        return {"images": phantoms.image(row)[0, 0].numpy()}, {"patient": phantoms.patient(row), "split": split, "pixel_m": pixel_m}

    items = {f"{split} {k}": (SPLITS.index(split) * BLOCK + k, split) for split in SPLITS for k in range(numbers[split])}
    with growing(options.out, card, {"images": ("<f4", (options.size, options.size))}, items) as file:
        file.fill(read)
        file.finish({"unit": "attenuation"}, {})


if __name__ == "__main__":
    run(main)
