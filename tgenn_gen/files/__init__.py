"""Files and folders, whatever is in them. Nothing here knows what a network is.

A module imports only those above it:

    paths      paths that stay below a folder
    resources  where schema/ and templates/ are
    archives   zip archives and .npy headers from strangers
    folders    writing files whole
    git        running git
"""
