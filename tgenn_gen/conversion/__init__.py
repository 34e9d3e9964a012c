"""Converts a Keras model to a spiking network: folding, scales, corrections, and the check against the model.

The method gives the threshold of the neurons; normalization scales the weights to it.

A module imports only those above it:

    methods                the choices of a conversion, such as neurons and their thresholds; presets
    method_check           refuses methods that cannot be used
    calibration            calibration data, read in batches
    activation_statistics  histograms of the ANN's activations
    layerwise              runs a network layer by layer on a sample
    chains                 chains of linear maps, merged and scaled
    affine_layers          layers that are an affine function of each channel, and the statistics of inputs
    signals                a Keras tensor as a sum of chains
    max_pooling            splits max-pooling into windows small enough for maximum neurons
    folding_state          the state of folding
    folding                Keras graph to a network with scales of 1
    input_scaling          decides what uint8 data is divided by
    shifts                 shifts max-pooling of values that may be negative
    normalization          chooses the scale of each population, and scales the weights
    least_squares          fits kernels to the spikes that a population gets
    frame_scales           multiplies scales for inputs with several frames
    corrections            corrects weights, biases and initial potentials
    layer_table            tgenn layers, tgenn check MODEL
    keras_scores           the Keras model's own scores, for tgenn evaluate
    keras_check            compares the folded network with the Keras model
    agreement              runs the network beside the Keras model
    convert                calls all steps in order
"""
