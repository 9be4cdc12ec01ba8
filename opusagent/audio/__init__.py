"""Audio as pure functions and small state: codecs, rates, frames, files. Nothing here waits or reads a clock."""
