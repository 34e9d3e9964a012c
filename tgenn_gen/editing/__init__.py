"""Changes to a document that leave the rest of its text alone.

A module imports only those above it:

    text_edits    spans of the text replaced, and the document written
    formatting    tgenn fmt
    set_values    tgenn set
    lock_weights  tgenn lock
"""
