"""What generated scripts run on. It imports the standard library and NumPy, and nothing else.

The generator copies functions from here into the scripts, word for word; the engine calls the same ones.

A module imports only those above it:

    building           the names and options of a build on GeNN
    data               examples, targets and scores
    kernels            the weights of synapses, for GeNN
    linear_maps        the linear maps of all ops
    neuron_updates     the neurons, step by step
    random_numbers     random numbers by the number of the example
    readout_functions  what is read of an output population
    input_encodings    how examples become currents or spikes
    command_line       the command line of simulate.py and reference.py
"""
