"""Changes to a document that keep what the user wrote.

A module imports only those above it:

    comments      comments and their places
    formatting    canonical text with comments; writing an edited document
    set_values    tgenn set
    lock_weights  tgenn lock
"""
