"""A network to the text of its scripts: a plan with all that is printed, and the templates that print it.

A module imports only those above it:

    connectivity    how GeNN keeps the synapses of a connection
    size_table      tgenn show: neurons, synapses and memory
    neuron_models   GeNN neuron models
    identifiers     names that code can have
    plan            the plan, which templates print
    source_text     the source of runtime functions
    lowering        network to plan
    stamps          how generated files show that they were edited
    template_files  built-in templates and those of a user
    rendering       plan and templates to text
"""
