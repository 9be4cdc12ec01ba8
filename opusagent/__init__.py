"""opusagent: a bridge between telephone calls and real-time AI voice."""

from typing import Final

__version__: Final = "0.1.0"
