"""Which HEVC pictures nothing is predicted from, as their headers say (ITU-T H.265, 7.4.2.2, 7.4.3.2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_UNREFERENCED: Final = frozenset({0, 2, 4, 6, 8})
"""NAL unit types TRAIL_N, TSA_N, STSA_N, RADL_N and RASL_N: not referenced within their own sub-layer."""
_SEQUENCE_PARAMETERS: Final = 33
_FIRST_NON_PICTURE: Final = 32
_HVCC_HEADER: Final = 23


class Unreferenced:
    """Tells pictures that can be left out, from the packets of one stream in decoding order.

    A picture of the types above may still be referenced by one of a higher temporal sub-layer: it counts
    only in the highest sub-layer that any sequence parameter set allows. Packets must be in the form of
    MP4 and Matroska, with a length before each unit; in any other, and where none is announced, no picture
    can be left out.
    """

    def __init__(self, extradata: bytes | None) -> None:
        data = extradata or b""
        self._prefix = (data[21] & 3) + 1 if len(data) >= _HVCC_HEADER and data[0] == 1 else 0
        self._highest = -1
        if self._prefix:
            for unit in _parameter_sets(data):
                self._note(unit)

    def __call__(self, packet: bytes | memoryview) -> bool:
        """Whether nothing refers to the picture of this packet, the next in order."""
        data, found = memoryview(packet), False
        for unit in self._units(data):
            kind, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
            if kind == _SEQUENCE_PARAMETERS:
                self._note(unit)
            elif kind < _FIRST_NON_PICTURE:
                in_highest = (unit[1] & 7) - 1 == self._highest
                if layer or not in_highest or kind not in _UNREFERENCED:
                    return False
                found = True
        return found

    def _units(self, data: memoryview) -> Iterator[memoryview]:
        """The NAL units, each of two bytes or more; ends at the first that is damaged."""
        position = 0
        while self._prefix and position + self._prefix < len(data):
            start = position + self._prefix
            position = start + int.from_bytes(data[position:start], "big")
            if position < start + 2 or position > len(data):
                return
            yield data[start:position]

    def _note(self, parameters: bytes | memoryview) -> None:
        """A sequence parameter set, whose first byte holds ``sps_max_sub_layers_minus1``."""
        if len(parameters) > 2:
            self._highest = max(self._highest, parameters[2] >> 1 & 7)


def _parameter_sets(hvcc: bytes) -> Iterator[bytes]:
    """The sequence parameter sets of an ``HEVCDecoderConfigurationRecord`` (ISO/IEC 14496-15, 8.3.3.1)."""
    position = _HVCC_HEADER
    for _ in range(hvcc[22]):
        kind = hvcc[position] & 63 if position < len(hvcc) else 0
        units, position = int.from_bytes(hvcc[position + 1 : position + 3], "big"), position + 3
        for _ in range(units):
            length = int.from_bytes(hvcc[position : position + 2], "big")
            if kind == _SEQUENCE_PARAMETERS:
                yield hvcc[position + 2 : position + 2 + length]
            position += 2 + length
            if position >= len(hvcc):
                return
