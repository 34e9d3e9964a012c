"""Reads a Keras model file into plain values. Only this folder imports Keras; nothing here knows neurons.

A module imports only those above it:

    keras_model       KerasModel and KerasLayer, plain values
    layer_maps        the layers that are linear maps
    operations        operations that a layer does as well, such as x / 255
    supported_layers  which layers are converted, and why one is refused
    known_classes     the classes that a model file may name
    libraries         imports keras, tf_keras and h5py
    hdf5_file         reads HDF5 files first in a separate process
    saved_model       reads how a SavedModel describes its layers
    model_file        opens, checks and parses a model file, before Keras loads it
    model_copy        the copy of a model file that Keras loads
    keras_names       names in Keras 3 and Keras 2
    call_graph        a loaded model to the graph of its calls
    loading           loads and runs models with Keras
    layer_outputs     runs a model call by call, for the outputs of its layers
"""
