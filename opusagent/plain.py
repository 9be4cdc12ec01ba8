"""Lines of ours: text of others in them, and numbers of things.

Numbers, names and words from the wire may hold anything; nothing moves a cursor.
"""


def counted(count: int, what: str) -> str:
    """So many of something.

    >>> counted(1, "turn"), counted(0, "barge-in"), counted(2, "key")
    ('1 turn', '0 barge-ins', '2 keys')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def plain(line: str) -> str:
    r"""A line for a terminal: what is not printable is a space.

    >>> plain("from +1\x1b[2J\n to 2")
    'from +1 [2J  to 2'
    """
    return line if line.isprintable() else "".join(each if each.isprintable() else " " for each in line)
