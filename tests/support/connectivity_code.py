"""GeNN's connectivity code, run: it is C but for addSynapse and for_each_synapse, so a C compiler can."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tgenn_gen.network import genn_code
from tgenn_gen.network.genn_code import Scatter

needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler, gcc")

PROGRAM = """
#include <stdio.h>
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define addSynapse(post, weight) printf("%%d %%d %%d\\n", id_pre, (int)(post), (int)(weight))
#define for_each_synapse for(id_pre = 0; id_pre < %(neurons)d; id_pre++)
int main(void) {
    int id_pre;
    for(unsigned int id_diag = 0; id_diag < %(fan_out)d; id_diag++) {
%(diagonal)s
    }
    puts("rows");
    for_each_synapse {
%(row)s
    }
    return 0;
}
"""


def built_synapses(
    scatters: tuple[Scatter, ...], neurons: int, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """The synapses of so many neurons that TOEPLITZ code builds, and those that SPARSE code builds.

    (synapses, 3): the neuron before it, the one behind it, and the index of its weight in the kernel.
    """
    source, program = folder / "synapses.c", folder / "synapses"
    code = {
        "neurons": neurons,
        "fan_out": genn_code.fan_out(scatters),
        "diagonal": genn_code.diagonal_build_code(scatters),
        "row": genn_code.row_build_code(scatters),
    }
    source.write_text(PROGRAM % code)
    subprocess.run(["gcc", "-O0", "-o", str(program), str(source)], check=True)
    lines = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    toeplitz, _, sparse = lines.partition("rows\n")
    return _numbers(toeplitz), _numbers(sparse)


def _numbers(lines: str) -> np.ndarray:
    return np.array(lines.split(), int).reshape(-1, 3)
