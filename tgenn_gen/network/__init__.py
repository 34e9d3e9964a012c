"""The network as an immutable value. Knows no files, no document text and no Keras.

A module imports only those above it:

    problems         an error and its path in the document
    fields           shapes; dataclass fields that are written only when not default
    tensors          weights and their .npy bytes
    genn_code        GeNN code: loops, connectivity, neuron updates
    runtime_calls    calls of the runtime's classes, as values
    ops              the linear maps, one module per kind, with their GeNN code
    neurons          the neurons, one module per kind, with their GeNN code
    encodings        the input encodings, one module per kind
    readouts         the readouts
    model            Network, Population, Connection
    delays           delays, and connections that spikes come back through
    argument_checks  types of the Python functions' arguments
    graph_drawing    the graph as SVG
    summary          sizes of populations, as text and as HTML
    checks           rules beyond the schema: shapes, codes, readouts
"""
