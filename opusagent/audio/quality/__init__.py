"""How a leg sounds, measured while it is heard: noise, distortion, clipping, holes, silence and echo.

`monitor.AudioQualityMonitor` takes the leg's audio in chunks. Per chunk it computes a level and a constant, nothing
else; once a second it looks at the whole second. That is what keeps it far below a millisecond of CPU per second.

Give it the leg's own samples, decoded and not resampled: clipping is recognised by samples that are exactly equal, and
a resampler's filter rounds the flat tops. What these estimators cannot know, they say by None and never by a guess.
"""
