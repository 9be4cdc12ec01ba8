"""Tables for people and for documents: Markdown with its columns aligned."""

from collections.abc import Sequence


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """`rows` under `heads`: the first column to the left, the others to the right.

    >>> print(markdown(("noise", "AUC"), [("white", "0.99")]))
    | noise |  AUC |
    |-------|-----:|
    | white | 0.99 |
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [_line(row, widths) for row in (heads, *rows)]
    rule = "|" + "|".join("-" * (width + 2) if not at else "-" * (width + 1) + ":" for at, width in enumerate(widths))
    return "\n".join((lines[0], rule + "|", *lines[1:]))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "| " + " | ".join(cells) + " |"
