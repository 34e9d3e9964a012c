"""Reads network.yaml and weights/ into a network, and writes them. Knows no commands and no Keras.

A module imports only those above it:

    yaml_source        YAML text to data, with the place of every value
    schema_check       errors against the schema, such as misspelt keys
    plugins            loads neuron kinds that plugins declare
    name_check         names, and references from one element to another
    valid_part         the part of a faulty document that can still be checked
    weight_hashes      weights/SHA256SUMS
    weight_files       reads .npy files as the document describes them
    weight_file_names  chooses file names for weights
    canonical_text     network to text
    reading            text and weights to network
"""
