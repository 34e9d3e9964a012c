"""Edits a document: changes parts of its text and keeps the rest.

A module imports only those above it:

    text_edits      replaces parts of the text, and writes the document
    formatting      tgenn fmt
    set_values      tgenn set
    network_values  Network.with_values
    lock_weights    tgenn lock
    migration       tgenn migrate
"""
