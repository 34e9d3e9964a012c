"""What generated scripts carry: the generator copies its code word for word, and the engine calls it.

It imports the standard library and NumPy; matplotlib only where a plot is asked for.

A module imports only those above it:

    building           names and options of a build on GeNN
    data               examples, targets and scores
    kernels            weights of synapses, for GeNN
    linear_maps        the linear maps of all ops
    neuron_updates     the neurons in NumPy, step by step
    random_numbers     random numbers by the number of the example
    readout_functions  what is read from an output population
    input_encodings    examples to currents or spikes
    command_line       the command line of simulate.py and reference.py
"""
