"""Tables as comma-separated values."""

import csv
import io
from typing import Any


def as_csv(rows: list[dict[str, Any]]) -> str:
    """The rows under the keys of all of them; what is None or not there stays empty.

    Example:
        >>> as_csv([{"run": "c4", "gain": 0.2}, {"run": "fbp", "seeds": 1}])
        'run,gain,seeds\\nc4,0.2,\\nfbp,,1\\n'
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
