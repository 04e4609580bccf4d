"""What a look-up found, before the entries behind it are unfolded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Hits(NamedTuple):
    """Hit ``i``: ``copies[i]`` entries of one hash, from place ``begin[i]`` on, differ from query
    ``query[i]`` in ``distance[i]`` bits. Equal hashes are one hit, however many entries have them.
    """

    query: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]
    copies: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int32]
