"""Text that is never shown."""

import attrs


@attrs.frozen
class Secret:
    """Text that no log, traceback or report may show.

    >>> Secret("sk-123"), f"{Secret('sk-123')}", Secret("sk-123").reveal()
    (Secret(_text=***), 'Secret(_text=***)', 'sk-123')
    """

    _text: str = attrs.field(repr=lambda _: "***")

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text
