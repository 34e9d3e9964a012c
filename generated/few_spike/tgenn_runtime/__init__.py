"""What is the same for every generated project: examples, scores, the command line, and the engines.

The engine of tgenn_gen uses it, and `tgenn generate` copies this folder, byte for byte, into each project as
tgenn_runtime/. So it imports the standard library, NumPy, PyGeNN (genn_network alone) and, for plots,
matplotlib; and its own modules by relative imports.

A module imports only those above it:

    messages           errors and notes for the person who runs a script
    data               examples and targets from .npz files
    scores             accuracy and errors
    linear_maps        the linear maps of all ops
    kernels            weights of synapses, for GeNN
    random_numbers     random numbers by the number of the example
    neuron_updates     the neurons in NumPy, step by step
    input_encodings    examples to currents or spikes
    readout_functions  what is read from an output population
    results            what a simulation gives
    weights            weight files, and the document beside a script
    runnable_network   what networks have in common: inputs, outputs, run
    numpy_network      a network in NumPy: reference.py
    genn_building      GeNN's build
    genn_network       a network on GeNN: simulate.py
    written_files      files written whole or not at all
    raster             spikes as a plot
    command_line       the command line of reference.py, and what simulate.py's has in common with it
    genn_command_line  the command line of simulate.py
    projects           scripts of several projects in one process

tgenn_runtime.h has the same for model.cc.
"""

__version__ = "0.1.0"  # of tgenn_gen
