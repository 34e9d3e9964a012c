"""network.yaml and weights/: text and bytes to a network, and back. No command and no conversion is here.

A module imports only those above it:

    yaml_source        YAML text to data, with the place of every value
    schema_check       errors against the schema, such as misspelt keys
    plugins            neuron kinds of one's own
    name_check         names, and references from one element to another
    valid_part         the part of a faulty document that can still be checked
    weight_hashes      weights/SHA256SUMS
    weight_files       reads .npy files as the document describes them
    weight_file_names  chooses file names for weights
    canonical_text     network to text
    reading            text and weights to network
"""
