"""Generates the scripts of a network: the plan has all values, and templates print them.

A module imports only those above it:

    matrix_types    how GeNN keeps synapses: SPARSE, TOEPLITZ or DENSE, and how many bytes
    network_table   tgenn show: neurons, synapses and memory
    python_lines    lines of Python, formatted
    neuron_models   GeNN neuron models
    identifiers     valid identifiers for generated code
    plan            the plan, which templates print
    memory          tgenn show: the memory that a run needs, by batch size
    runtime_files   the files of tgenn_runtime/ and tgenn_plugins/
    code_names      the names of populations, connections and weights in code
    python_text     Python, statement by statement
    lowering        network to plan
    stamps          hash lines that show whether a generated file was edited
    departures      finds scripts whose neurons differ from the document
    template_files  the built-in templates, and folders with a user's templates
    rendering       plan and templates to text
"""
