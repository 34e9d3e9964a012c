"""network.yaml and weights/ as text and bytes, and the network that they hold. No command or conversion here.

A module imports only those above it:

    source          YAML text to data, with the place of every value
    schema_check    what departs from the schema
    name_check      names and references between elements
    valid_part      what can still be judged of a document with errors
    weight_files    reading .npy files as the document describes them
    weight_names    files for weights that have none
    canonical_text  network to text
    reading         text and weights to network
"""
