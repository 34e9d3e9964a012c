"""A network as a value, and the kinds it consists of. Nothing here knows files, documents or Keras.

A module imports only those above it:

    problems     what is wrong with a network, by the path in its document
    fields       shapes, and fields that documents seldom name
    tensors      weights and their .npy bytes
    genn_code    code that GeNN reads: loops, connectivity, neuron updates
    calls        calls of the runtime's classes
    ops          the linear maps, one module a kind
    neurons      the neurons, one module a kind
    encodings    the input encodings, one module a kind
    readouts     the readouts
    model        Network, Population, Connection
    checks       what must hold beyond the schema: shapes, codes, readouts
"""
