"""Text of others in lines of ours. Numbers, names and words from the wire may hold anything; nothing moves a cursor."""


def plain(line: str) -> str:
    r"""A line for a terminal: what is not printable is a space.

    >>> plain("from +1\x1b[2J\n to 2")
    'from +1 [2J  to 2'
    """
    return line if line.isprintable() else "".join(each if each.isprintable() else " " for each in line)
