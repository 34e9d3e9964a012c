"""A Keras graph to a spiking network: folding, scales, corrections, and the check against the model.

A module imports only those above it:

    methods        the choices of a conversion, and the presets
    method_check   whether a method can be used
    calibration    calibration data, read in batches
    activations    statistics of the ANN's activations
    layerwise      a network run layer by layer on a sample
    chains         chains of linear maps, merged and scaled
    signals        a Keras tensor as a sum of chains
    max_pooling    max-pooling in windows that neurons can take
    folding_state  the state of folding
    folding        Keras graph to a network with scales of 1
    normalization  where scales and thresholds are chosen
    corrections    corrections of biases and potentials
    layer_table    tgenn layers, tgenn check MODEL
    keras_check    the folded network beside the Keras model, tgenn check MODEL
    keras_scores   the Keras model's own scores, for tgenn evaluate
    convert        convert: all of it, in order
"""
