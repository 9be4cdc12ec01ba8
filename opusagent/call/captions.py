"""The caller's words while they are still being recognised, for platforms that show them."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs

from opusagent.call.commands import TellCaller
from opusagent.platforms.dialect import WordsRecognised

REMEMBERED: Final = 64
"""Items whose words are known to be complete. What comes twice comes soon."""


@attrs.define
class Captions:
    """Pieces of transcripts, put together: the platform wants the whole of what may have been said so far."""

    _item_id: str = attrs.field(default="", init=False)
    _words: str = attrs.field(default="", init=False)
    _complete: deque[tuple[str, int]] = attrs.field(
        factory=lambda: deque[tuple[str, int]](maxlen=REMEMBERED), init=False
    )

    def push(self, item_id: str, piece: str) -> Sequence[TellCaller]:
        """A piece of what was said in one item. Another item begins anew."""
        if item_id != self._item_id:
            self._item_id, self._words = item_id, ""
        self._words += piece
        return (TellCaller(WordsRecognised(self._words, final=False)),) if self._words else ()

    def complete(self, item_id: str, content_index: int) -> bool:
        """All of what was said is known. Whether that is news: whoever hears it twice does not pay for it twice."""
        name = (item_id, content_index)
        is_news = name not in self._complete
        if is_news:
            self._complete.append(name)
        return is_news

    def forget(self) -> None:
        """Another session may use the same names."""
        self._complete.clear()
