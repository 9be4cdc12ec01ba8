"""Whether the model may hear the caller. Where the caller may not interrupt, the model must not hear that they try.

The service answers what it hears, so it is given silence instead, for as long as it is being heard or is about to be.
"""

import attrs


@attrs.define
class Attention:
    """The model's ear in one call. `always`: it is closed whenever the model speaks; `greeting`: for the greeting."""

    always: bool
    greeting: bool
    is_deaf: bool = attrs.field(default=False, init=False)

    @property
    def may_interrupt(self) -> bool:
        """Whether what the caller says now may interrupt."""
        return not self.always and not self.greeting

    def change(self, *, busy: bool, answered: bool) -> bool | None:
        """Whether the model is deaf from now on; None if nothing changes.

        `busy`: it is being heard or is about to be. `answered`: it has spoken before, so that silence now means that
        the greeting is over.
        """
        if not busy and answered:
            self.greeting = False
        deaf = busy and not self.may_interrupt
        if deaf == self.is_deaf:
            return None
        self.is_deaf = deaf
        return deaf
