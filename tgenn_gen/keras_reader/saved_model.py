"""Reads from a SavedModel of Keras 2 how its layers are described, without TensorFlow.

A SavedModel is a program, in Protocol Buffers. Only the fields that lead to the description are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROGRAM = "saved_model.pb"
METADATA = "keras_metadata.pb"  # since TensorFlow 2.5
MAX_FIELDS = 100_000  # of a message: some for each layer, and for each metric
META_GRAPH, OBJECTS, NODE, USER_OBJECT = 2, 7, 1, 4  # the fields of PROGRAM that lead to the model
IDENTIFIER, DESCRIPTION = 1, 3  # of a user object
OF_KERAS = b"_tf_keras_"  # an identifier starts so
METADATA_NODE, METADATA_PATH, METADATA_DESCRIPTION = 1, 3, 5  # the fields of METADATA


def description(folder: Path) -> bytes | None:
    """The JSON text that describes the model of a SavedModel; None if it is not one of Keras 2.

    Raises ValueError for a damaged file. Both files' sizes must have been checked.
    """
    if (folder / METADATA).is_file():
        for node in _fields((folder / METADATA).read_bytes(), METADATA_NODE):
            if bytes(_first(node, METADATA_PATH)) == b"root":
                return bytes(_first(node, METADATA_DESCRIPTION))
        raise ValueError(f"{METADATA} describes no model")
    model = memoryview((folder / PROGRAM).read_bytes())
    for field in (META_GRAPH, OBJECTS, NODE, USER_OBJECT):  # the first object is the model
        model = _first(model, field)
    text = bytes(_first(model, DESCRIPTION))
    return text if bytes(_first(model, IDENTIFIER)).startswith(OF_KERAS) and text else None


def _first(message: memoryview, number: int) -> memoryview:
    return next(_fields(message, number), memoryview(b""))


def _fields(message: bytes | memoryview, number: int) -> Iterator[memoryview]:
    """The contents of a message's fields of a number that are texts or messages themselves."""
    message = memoryview(message)
    place = count = 0
    while place < len(message):
        key, place = _number(message, place)
        wire_type, size = key & 7, 0
        if wire_type == 0:
            _, place = _number(message, place)
        elif wire_type == 2:
            size, place = _number(message, place)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"it has a field of the unknown type {wire_type}")
        count += 1
        if size > len(message) - place or count > MAX_FIELDS:
            raise ValueError("it has a field that is longer than its file, or too many fields")
        if wire_type == 2 and key >> 3 == number:
            yield message[place : place + size]
        place += size


def _number(message: memoryview, place: int) -> tuple[int, int]:
    """A number of at most 64 bits, in groups of 7 bits, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        value |= (message[place] & 127) << shift
        place += 1
        if message[place - 1] < 128:
            return value, place
    raise ValueError("it has a number without an end")
