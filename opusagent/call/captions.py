"""The caller's words while they are still being recognised, for platforms that show them."""

from collections.abc import Sequence

import attrs

from opusagent.call.commands import TellCaller
from opusagent.platforms.dialect import WordsRecognised


@attrs.define
class Captions:
    """Pieces of transcripts, put together: the platform wants the whole of what may have been said so far."""

    _item_id: str = attrs.field(default="", init=False)
    _words: str = attrs.field(default="", init=False)

    def push(self, item_id: str, piece: str) -> Sequence[TellCaller]:
        """A piece of what was said in one item. Another item begins anew."""
        if item_id != self._item_id:
            self._item_id, self._words = item_id, ""
        self._words += piece
        return (TellCaller(WordsRecognised(self._words, final=False)),) if self._words else ()
