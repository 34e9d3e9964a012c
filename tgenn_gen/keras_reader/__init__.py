"""A Keras model file to a plain graph of layers. All that knows Keras is here; nothing knows neurons.

A module imports only those above it:

    keras_model       KerasModel and KerasLayer, plain values
    layer_maps        the layers that are linear maps
    supported_layers  which layers are converted, and reasons against one
    known_classes     the classes that a model file may name
    libraries         keras, tf_keras and h5py, imported when called
    hdf5_file         HDF5 files, read first in a process of their own
    model_file        a model file, opened, checked and parsed once, before Keras loads it
    keras_names       names in Keras 3 and Keras 2
    call_graph        a loaded model to the graph of its calls
    loading           a model loaded, read as plain values, and run
"""
