"""Whether a file is of the kind that its name says: a website's login page is nobody's weights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
_POINTER = b"version https://git-lfs"
_PICKLES = (b"PK\x03\x04", b"\x80")
"""How a PyTorch checkpoint begins: a zip archive, before 2020 a pickle."""
_GRAPH, _INITIALIZER, _EXTERNAL = 7, 5, 13
"""The fields of ONNX's ModelProto, GraphProto and TensorProto that lead to numbers kept elsewhere
(onnx.proto)."""
_LARGEST_FIELD = 1000
_BYTES = {1: 8, 5: 4}
"""Protobuf's wire types of fixed length."""


def check(path: Path, kind: str) -> None:
    """Raise ValueError saying why a file is none of its kind, as far as that is soon seen.

    kind: the suffix of its name as published. The structure is looked at, not the numbers.
    Raises OSError when it cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(512)
        if not head:
            raise ValueError("it is empty")
        if head.lstrip().lower().startswith(_PAGES):
            raise ValueError("it is a page of a website, such as one to log in")
        if head.startswith(_POINTER):
            raise ValueError("it only says where Git LFS keeps the file")
        file.seek(0)
        if kind == ".onnx":
            _onnx(file)
        elif kind == ".json":
            _json(file)
        elif kind == ".safetensors":
            _safetensors(path)
        elif kind in (".pt", ".pth", ".bin") and not head.startswith(_PICKLES):
            raise ValueError("it does not begin like one")


def _json(file: BinaryIO) -> None:
    try:
        told = json.loads(file.read())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(told, dict):
        raise ValueError("it is a list or a value")


def _safetensors(path: Path) -> None:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        return  # whoever opens it will want that package, and say so
    try:
        with safe_open(path, framework="numpy") as held:
            if not held.keys():
                raise ValueError("it is empty")
    except SafetensorError as error:
        raise ValueError(" ".join(str(error).split())[:120]) from None


def beside(path: Path) -> set[str]:
    """The files in which an ONNX network keeps numbers that are not in itself, as it names them.

    Raises ValueError where it is no such network, OSError when it cannot be read.
    """
    named = set()
    with open(path, "rb") as file:
        for _, *graph in _fields(file, 0, os.fstat(file.fileno()).st_size, {_GRAPH}):
            for _, *tensor in _fields(file, *graph, {_INITIALIZER}):
                for _, *entry in _fields(file, *tensor, {_EXTERNAL}):
                    pair = {}
                    for number, begins, ends in _fields(file, *entry, {1, 2}):
                        file.seek(begins)
                        pair[number] = file.read(ends - begins)
                    if pair.get(1) == b"location":
                        named.add(pair.get(2, b"").decode(errors="replace"))
    return named


def _onnx(file: BinaryIO) -> None:
    size = os.fstat(file.fileno()).st_size
    if not list(_fields(file, 0, size, {_GRAPH})):
        raise ValueError("it holds no network")


def _fields(
    file: BinaryIO, place: int, end: int, wanted: set[int]
) -> Iterator[tuple[int, int, int]]:
    """Number, beginning and end of each wanted field of a protobuf message that is of any length.

    All of the message is looked through, without what is in its fields; raises ValueError.
    """
    while place < end:
        file.seek(place)
        number, wire = divmod(_varint(file), 8)
        if not 0 < number < _LARGEST_FIELD or wire not in (0, 2, *_BYTES):
            raise ValueError("it is no protobuf message")
        length = _varint(file) if wire in (0, 2) else _BYTES[wire]
        begins = file.tell()
        place = begins if wire == 0 else begins + length
        if place > end:
            raise ValueError("it is cut short, or no protobuf message")
        if wire == 2 and number in wanted:
            yield number, begins, place


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("it is cut short, or no protobuf message")
