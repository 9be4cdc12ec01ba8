"""Voice activity: when somebody speaks, from the audio alone.

The path of one call's audio: `ear.Ear` resamples it to 16 kHz and cuts it into chunks of 32 ms; `bank.Bank` collects
the chunks of all calls and gives them to one `detector.Detector` in a single batch; `hysteresis.Hysteresis` turns the
probabilities that come back into `SpeechStarted` and `SpeechStopped` with media times.

The batch is the point. The network multiplies by 0.3 million weights per chunk; alone, every call fetches them from
memory again, while rows of one matrix share them. So the state of a call is a row of numbers that the call owns, the
weights belong to the process, and one tick evaluates everybody who has a chunk ready. A tick adds at most its own
length to the 32 ms that a chunk needs to fill.

The products are small. OpenBLAS gives them a second thread as soon as two streams are in a batch, and then a step waits
for that thread to get a core: on a busy machine ten times as long as the work takes. A library has no business to
decide that for the process; whoever starts the daemon sets `OPENBLAS_NUM_THREADS=1` before numpy is imported.
"""
