# What the archive uses of python-soundfile 0.14, with files that are given as descriptors.
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

class LibsndfileError(RuntimeError): ...

class SoundFile:
    def __init__(
        self,
        file: int,
        mode: Literal["r", "w"] = "r",
        samplerate: int | None = None,
        channels: int | None = None,
        subtype: str | None = None,
        endian: str | None = None,
        format: str | None = None,
        closefd: bool = True,
    ) -> None: ...
    @property
    def frames(self) -> int: ...
    @property
    def samplerate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    def read(
        self, frames: int = -1, *, dtype: Literal["int16"], always_2d: bool = False
    ) -> npt.NDArray[np.int16]: ...
    def write(self, data: npt.NDArray[np.int16]) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

def available_subtypes(format: str) -> dict[str, str]: ...
