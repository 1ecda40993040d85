"""A table as Markdown, with aligned columns for a terminal."""


def as_markdown(table: list[dict[str, str]]) -> str:
    """A Markdown table, its columns aligned so that it reads as plain text too."""
    lines = [list(table[0]), *(list(row.values()) for row in table)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
