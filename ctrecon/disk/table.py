"""Tables as text: comma-separated values for programs, Markdown for people."""

import csv
import io
import math
from typing import Any

from ctrecon.errors import InputError


def as_csv(rows: list[dict[str, Any]]) -> str:
    """The rows under the keys of all of them; what is None, not a number or not there stays empty, and a text stays on its line.

    Example:
        >>> as_csv([{"run": "c4", "gain": 0.2}, {"run": "fbp", "seeds": 1}])
        'run,gain,seeds\\nc4,0.2,\\nfbp,,1\\n'
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def from_csv(text: str, where: object = "table") -> list[dict[str, str]]:
    """The rows of comma-separated values, by the keys of the first line: None is the key of what a row has too much, and the value of
    what it lacks. A cell may hold any character, line separators too.

    Raises:
        InputError: It is no such table; `where` says which.

    Example:
        >>> from_csv("run,gain\\nc4,0.2\\n")
        [{'run': 'c4', 'gain': '0.2'}]
    """
    try:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(f"{where}: damaged ({error}); expected comma-separated values") from None


def csv_rows(text: str, where: object = "table") -> list[list[str]]:
    """The same where no line tells the keys. Raises InputError as `from_csv`."""
    try:
        return list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(f"{where}: damaged ({error}); expected comma-separated values") from None


def one_line(value: Any) -> str:
    """A name that a file of others brings, as a text on one line: other characters than letters, signs and spaces are escaped.

    Example:
        >>> one_line(b"A\\n\\xff"), one_line("B\\u2028"), one_line(7)
        ('A\\\\n\\\\xff', 'B\\\\u2028', '7')
    """
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _cell(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return ""
    return value.replace("\r", " ") if isinstance(value, str) else value  # which the csv module writes but does not read


def as_markdown(table: list[dict[str, str]]) -> str:
    """A Markdown table, its columns aligned so that it reads as plain text too."""
    lines = [list(table[0]), *(list(row.values()) for row in table)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
