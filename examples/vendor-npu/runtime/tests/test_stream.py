"""Streams: what is encoded is decoded, and nothing of a damaged one is trusted."""

from __future__ import annotations

import contextlib
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from kernels import Table, kernel

from tondo_npu_runtime.decode import decode
from tondo_npu_runtime.encode import HEADER, encode
from tondo_npu_runtime.isa import (
    FIRST_AXIS,
    FIRST_DIGIT,
    NO_MODULUS,
    Digit,
    Fill,
    Kernel,
    Loop,
    Matmul,
    Next,
    Opcode,
    Program,
    Space,
    Step,
    Tile,
    Transfer,
    Vector,
    VectorOp,
)
from tondo_npu_runtime.loader import load
from tondo_runtime import RuntimeFailure


def everything() -> Kernel:
    """A kernel with every instruction and every field in use."""
    t = Table()
    digit = Digit(t.affine(3, (0, 128), (FIRST_AXIS, 1)), t(49), t(7))
    quotient = Digit(t.affine(0, (FIRST_DIGIT, 1)), t(2), NO_MODULUS)
    outside = t.affine(-1, (FIRST_DIGIT, 5), (FIRST_DIGIT + 1, 9), (FIRST_AXIS + 1, 1))
    tile = Tile(t.place(Space.SCRATCHPAD, 16, 256), t(64))
    size = t.program((Step.SCALAR, 0), (Step.CONST, 15), (Step.ADD, 0), (Step.CONST, 16), (Step.FLOORDIV, 0))
    code = (
        Loop(size),
        Transfer(
            Opcode.LOAD,
            1,
            outside,
            t.place(Space.SCRATCHPAD, 0, 16, 1),
            (t(4), t(16)),
            (digit, quotient),
            (t.affine(8, (FIRST_DIGIT, -1)),),
        ),
        Fill(t.place(Space.ACCUMULATOR, 0, 1), (t(256),), -0.5),
        Matmul(tile, tile, Tile(t.place(Space.ACCUMULATOR, 0, 16), t(16)), (t(2),)),
        Vector(
            t.place(Space.SCRATCHPAD, 0, 1),
            (t(16),),
            (t.place(Space.ACCUMULATOR, 0, 1), t.place(Space.SCRATCHPAD, 32)),
            (0.25,),
            ((VectorOp.ADD, (0, 1)), (VectorOp.SELECT, (3, 2, 0))),
        ),
        Next(),
        Transfer(Opcode.STORE, 0, t.rows(0, 1), t.place(Space.SCRATCHPAD, 0, 1), (t(16),)),
    )
    return kernel(t, *code, scalars=1)


def sealed(body: bytes) -> bytes:
    """Return a stream of ``body`` whose checksum is right."""
    return HEADER.pack(b"TNPU", 1, 0, len(body), zlib.crc32(body)) + body


def test_what_is_encoded_is_decoded() -> None:
    program = Program((everything(), kernel(Table(), buffers=1)))
    assert decode("m", encode(program)) == program
    assert set(load("m", memoryview(encode(Program((everything(),)))))) == {"npu.test"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: b"", "TND-A001"),
        (lambda data: data[:-3], "TND-A001"),
        (lambda data: b"ELF!" + data[4:], "TND-A001"),
        (lambda data: data[:4] + struct.pack("<H", 2) + data[6:], "TND-A003"),
        (lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:], "TND-A001"),
    ],
)
def test_other_bytes_are_refused(change: object, code: str) -> None:
    with pytest.raises(RuntimeFailure) as info:
        decode("m", change(encode(Program((everything(),)))))
    assert info.value.code == code


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_damage_below_a_right_checksum_is_refused_or_harmless(place: int, flip: int) -> None:
    body = bytearray(encode(Program((everything(),)))[HEADER.size :])
    body[place % len(body)] ^= flip
    with contextlib.suppress(RuntimeFailure):
        functions = load("m", memoryview(sealed(bytes(body))))
        for function in functions.values():
            function(20, np.zeros(400, np.float32), np.zeros(400, np.float32))
