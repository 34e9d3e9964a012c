"""The code that is the same for every generated project: examples, scores, the command line, the engines.

The engine of tgenn_gen uses it, and `tgenn generate` copies this folder, byte for byte, into each project as
tgenn_runtime/. So it imports only the standard library, NumPy, PyGeNN (in genn_network), matplotlib (for
plots), mpi4py (for MPI) and threadpoolctl (if there), and its own modules by relative imports; and it runs on
Python 3.9.

A module imports only those above it:

    messages           errors and notes for the user of a script
    data               examples and targets from .npz files
    readout_functions  what is read from an output population
    scores             accuracy and errors
    linear_maps        the linear maps of all ops
    kernels            weights that synapses share, for GeNN
    random_numbers     random numbers that depend only on their place
    neuron_updates     the neurons in NumPy, step by step
    neuron_settings    neuron parameters that a user sets
    input_encodings    examples to currents or spikes
    written_files      writes files completely or not at all
    recording          what is recorded of examples
    raster             draws spikes, V and I
    results            the results of a simulation
    run_results        the results of a run, or of a shard: saved, read again and merged
    weights            weight files, and the document beside a script
    runnable_network   the common part of networks: inputs, outputs, run
    numpy_batch        a batch of examples in NumPy
    numpy_network      a network in NumPy: reference.py
    genn_building      builds GeNN models
    genn_driving       currents and random keys of examples, on GeNN
    genn_network       a network on GeNN: simulate.py
    mpi_ranks          the processes that share a run: MPI's ranks, and the cores for them
    genn_jobs          simulates examples in several processes
    script_run         a run of a script: reads examples, simulates, saves and prints results
    command_line       the command line of reference.py, which simulate.py extends
    genn_command_line  the command line of simulate.py
    projects           loads scripts of several projects into one process

tgenn_runtime.h has the same for model.cc.
"""

import sys

if sys.version_info < (3, 9):  # noqa: UP036  (tgenn itself needs a newer one)
    found = ".".join(map(str, sys.version_info[:3]))
    print("error: this script needs Python 3.9 or newer, found " + found, file=sys.stderr)
    sys.exit(3)

__version__ = "0.2.0.dev0"  # of tgenn_gen
