"""Convolutions that skip zeros, compiled: each element that is not zero adds rows of the kernel to the sums.

At a time step 5 to 30 % of the neurons spike. The elements of an image that are not zero ("events") are
listed once. Then the sums for one pixel of up to five rows of the output stay in vector registers, while the
events of its window add their weights. A compiled loop over an array would load and store the sums at each
event, which takes two to three times as long; so the innermost loops are vector instructions of LLVM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tgenn_gen.engine.compilation import compiled


def _instructions(code: Callable[..., Any]) -> Any:
    """A function for compiled functions, of which `code` makes the LLVM instructions."""
    return intrinsic(code)  # mypy would ask callers of an @intrinsic for `typing` as well


# [mask]: the places of the bits that are set in a mask of 8, then anything
PLACES = np.array(
    [(*(b for b in range(8) if mask >> b & 1), *[0] * (8 - mask.bit_count())) for mask in range(256)],
    np.int32,
)


@_instructions
def _list_events(typing: Any, x: Any, first: Any, place: Any, places: Any, index: Any, count: Any) -> Any:
    """Write `place` + i, for each i in 0 to 7 where x[first + i] is not zero, to index[count:].

    Returns their number. All 8 elements of index[count:] are overwritten.
    """
    signature = types.intp(x, types.intp, types.intp, places, index, types.intp)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, first, place, places, index, count = arguments
        int32, int64 = ir.IntType(32), ir.IntType(64)
        start = builder.gep(_data(context, builder, signature.args[0], x), [first])
        element = start.type.pointee
        values = _load(builder, start, 8, align=1)
        zeros = ir.Constant(values.type, None)
        differ = (
            builder.fcmp_unordered
            if isinstance(element, (ir.FloatType, ir.DoubleType))
            else builder.icmp_signed
        )
        mask = builder.zext(builder.bitcast(differ("!=", values, zeros), ir.IntType(8)), int64)
        row = builder.mul(mask, ir.Constant(int64, 8))
        found = _load(builder, builder.gep(_data(context, builder, signature.args[3], places), [row]), 8)
        shifted = builder.add(found, _repeated(builder, builder.trunc(place, int32), 8))
        to = builder.gep(_data(context, builder, signature.args[4], index), [count])
        _store(builder, shifted, to)
        return builder.ctpop(mask)

    return signature, code


@_instructions
def _add_events(
    typing: Any,
    width: Any,
    rows: Any,
    out: Any,
    targets: Any,
    column: Any,
    spare: Any,
    kernel: Any,
    weights: Any,
    shift: Any,
    index: Any,
    value: Any,
    first: Any,
    last: Any,
) -> Any:
    """For events e = first to last - 1, and each row r of len(rows), with n = 8 len(width):

    out[targets[r] + column:][:n] += value[e] * kernel[weights[r] + shift + n * index[e]:][:n]

    Where targets[r] is negative, `spare` takes the sums.
    """
    n, count, whole = 8 * len(width), len(rows), types.intp
    arrays = (out, targets, whole, spare, kernel, weights, whole, index, value)
    signature = types.void(width, rows, *arrays, whole, whole)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(argument: int) -> Any:
            return _data(context, builder, signature.args[argument], arguments[argument])

        column, shift, first, last = (arguments[argument] for argument in (4, 8, 11, 12))
        integer, zero = first.type, ir.Constant(first.type, 0)
        some, loop, stored, done = (
            builder.append_basic_block(name) for name in ("some", "events", "stored", "done")
        )
        builder.cbranch(builder.icmp_signed("<", first, last), some, done)

        builder.position_at_end(some)
        sums_at, weights_at = [], []
        for row in range(count):
            number = ir.Constant(integer, row)
            target = builder.load(builder.gep(data(3), [number]))
            place = builder.gep(data(2), [builder.add(target, column)])
            sums_at.append(builder.select(builder.icmp_signed("<", target, zero), data(5), place))
            weight = builder.load(builder.gep(data(7), [number]))
            weights_at.append(builder.gep(data(6), [builder.add(weight, shift)]))
        starts = [_load(builder, place, n) for place in sums_at]
        builder.branch(loop)

        builder.position_at_end(loop)
        event = builder.phi(integer)
        sums = [builder.phi(start.type) for start in starts]
        offset = builder.sext(builder.load(builder.gep(data(9), [event])), integer)
        offset = builder.mul(offset, ir.Constant(integer, n))
        factor = _repeated(builder, builder.load(builder.gep(data(10), [event])), n)
        added = []
        for total, place in zip(sums, weights_at, strict=True):
            product = builder.fmul(factor, _load(builder, builder.gep(place, [offset]), n), ("contract",))
            added.append(builder.fadd(total, product, ("contract",)))  # one instruction, where there is one
        following = builder.add(event, ir.Constant(integer, 1))
        builder.cbranch(builder.icmp_signed("<", following, last), loop, stored)
        for phi, start, again in zip([event, *sums], [first, *starts], [following, *added], strict=True):
            phi.add_incoming(start, some)
            phi.add_incoming(again, loop)

        builder.position_at_end(stored)
        for total, place in zip(added, sums_at, strict=True):
            _store(builder, total, place)
        builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, code


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _load(builder: Any, start: Any, n: int, align: int = 4) -> Any:
    vector = ir.VectorType(start.type.pointee, n)
    return builder.load(builder.bitcast(start, vector.as_pointer()), align=align)


def _store(builder: Any, vector: Any, start: Any) -> None:
    builder.store(vector, builder.bitcast(start, vector.type.as_pointer()), align=4)


def _repeated(builder: Any, number: Any, n: int) -> Any:
    """A vector of n times a number."""
    nothing, places = (
        ir.Constant(ir.VectorType(number.type, n), ir.Undefined),
        ir.VectorType(ir.IntType(32), n),
    )
    one = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(places, None))


@compiled
def _list_image(x, start, size, places, index, value, starts):  # type: ignore[no-untyped-def]
    """List the events of the image at x[start:], of `size` (height, width, channels).

    index: their place in their row. value: their value. starts: the first event of each pixel.
    """
    height, width, channels = size
    count = 0
    for row in range(height):
        base, first = start + row * width * channels, count
        for column in range(width):
            starts[row * width + column] = count
            place, end = column * channels, (column + 1) * channels
            while place + 8 <= end:
                count += _list_events(x, base + place, place, places, index, count)
                place += 8
            while place < end:
                index[count] = place
                count += x[base + place] != 0
                place += 1
        for event in range(first, count):
            value[event] = x[base + index[event]]
    starts[height * width] = count


@compiled
def convolve(  # type: ignore[no-untyped-def]
    width, at_once, x, size, kernel, window, strides, dilation, before, bias, out, out_size
):
    """Convolve images x, of `size` (height, width, channels), into `out`.

    width     a tuple whose length is the number of filters at a time / 8; known when the function is compiled
    at_once   a tuple whose length is the number of the kernel's rows at a time; known in the same way
    x, out    all images, flat: int8 or floats; floats
    kernel    flat: (filters / (8 len(width)), rows, columns, channels, 8 len(width)), of the type of `out`
    window    (rows, columns) of the kernel
    before    zeros (above, left of) the image
    bias      what out starts from: one for each filter, or each element; empty: the values of out
    out_size  (height, width, filters)
    """
    height, pixels, channels = size
    rows, columns = window
    lanes, elements = 8 * len(width), out_size[0] * out_size[1] * out_size[2]
    of_row, out_row = columns * channels * lanes, out_size[1] * out_size[2]
    # neighbouring pixels of a window have their events one after the other, as the kernel has its weights
    parts, together = (1, columns) if dilation[1] == 1 else (columns, 1)
    index = np.empty(height * pixels * channels + 8, np.int32)
    value = np.empty(height * pixels * channels, kernel.dtype)
    starts = np.empty(height * pixels + 1, np.int64)
    targets, weights = np.empty(len(at_once), np.int64), np.empty(len(at_once), np.int64)
    spare = np.zeros(lanes, kernel.dtype)
    for image in range(len(out) // (out_size[0] * out_size[1] * out_size[2])):
        _list_image(x, image * height * pixels * channels, size, PLACES, index, value, starts)
        if len(bias):
            for start in range(image * elements, (image + 1) * elements, len(bias)):
                out[start : start + len(bias)] = bias
        for block in range(out_size[2] // lanes):
            for kernel_row in range(0, rows, len(at_once)):
                for row in range(height):
                    used = 0
                    for i in range(len(at_once)):
                        distance = row + before[0] - (kernel_row + i) * dilation[0]
                        to = distance // strides[0]
                        inside = (
                            kernel_row + i < rows and distance == to * strides[0] and 0 <= to < out_size[0]
                        )
                        used += inside
                        targets[i] = image * elements + block * lanes + to * out_row if inside else -1
                        weights[i] = (block * rows + kernel_row + (i if inside else 0)) * of_row
                    if used == 0:
                        continue
                    for column in range(out_size[1]):
                        for part in range(parts):
                            left = column * strides[1] - before[1] + part * dilation[1]
                            start = starts[row * pixels + min(max(left, 0), pixels)]
                            end = starts[row * pixels + min(max(left + together, 0), pixels)]
                            shift = (part - left) * channels * lanes
                            _add_events(
                                width, at_once, out, targets, column * out_size[2], spare,
                                kernel, weights, shift, index, value, start, end,
                            )  # fmt: skip


@compiled
def add_depthwise(  # type: ignore[no-untyped-def]
    x, size, kernel, window, strides, dilation, before, bias, out, out_size
):
    """Convolve each channel of images x with its kernel, (rows, columns, channels). As in `convolve`."""
    height, pixels, channels = size
    elements, values = height * pixels * channels, np.empty(height * pixels * channels, out.dtype)
    for image in range(len(x) // elements):
        values[:] = x[image * elements : (image + 1) * elements]
        base = image * out_size[0] * out_size[1] * channels
        if len(bias):
            for start in range(base, base + out_size[0] * out_size[1] * channels, len(bias)):
                out[start : start + len(bias)] = bias
        for row in range(out_size[0]):
            for column in range(out_size[1]):
                target = base + (row * out_size[1] + column) * channels
                total = out[target : target + channels]
                for i in range(window[0]):
                    top = row * strides[0] + i * dilation[0] - before[0]
                    for j in range(window[1]):
                        left = column * strides[1] + j * dilation[1] - before[1]
                        if 0 <= top < height and 0 <= left < pixels:
                            source, weight = (top * pixels + left) * channels, (i * window[1] + j) * channels
                            part, factor = (
                                values[source : source + channels],
                                kernel[weight : weight + channels],
                            )
                            for channel in range(channels):
                                total[channel] += factor[channel] * part[channel]


@compiled
def add_scaled(x, factor, bias, out):  # type: ignore[no-untyped-def]
    """Add factor x to out: one factor, or one for each channel. bias: as in `convolve`."""
    if len(bias):
        for start in range(0, len(out), len(bias)):
            out[start : start + len(bias)] = bias
    if len(factor) == 1:
        for i in range(len(out)):
            out[i] += factor[0] * x[i]
    else:
        for start in range(0, len(out), len(factor)):
            target, values = out[start : start + len(factor)], x[start : start + len(factor)]
            for channel in range(len(factor)):
                target[channel] += factor[channel] * values[channel]


@compiled
def average(  # type: ignore[no-untyped-def]
    x, size, pool, strides, before, out, out_size
):
    """Average images x, of `size` (height, width, channels), over windows without the padding, into `out`."""
    height, pixels, channels = size
    for image in range(len(out) // (out_size[0] * out_size[1] * out_size[2])):
        for row in range(out_size[0]):
            top = row * strides[0] - before[0]
            from_row, to_row = max(top, 0), min(top + pool[0], height)
            for column in range(out_size[1]):
                left = column * strides[1] - before[1]
                from_column, to_column = max(left, 0), min(left + pool[1], pixels)
                target = ((image * out_size[0] + row) * out_size[1] + column) * channels
                mean = out[target : target + channels]
                mean[:] = 0
                for i in range(from_row, to_row):
                    for j in range(from_column, to_column):
                        source = ((image * height + i) * pixels + j) * channels
                        values = x[source : source + channels]
                        for channel in range(channels):
                            mean[channel] += values[channel]
                share = out.dtype.type(1 / ((to_row - from_row) * (to_column - from_column)))
                for channel in range(channels):
                    mean[channel] *= share
