"""Files, folders and git. Nothing here knows what a network is.

A module imports only those above it:

    paths         paths that stay below a folder
    resources     where schema/ and templates/ are
    archives      untrusted zip archives and .npy headers
    file_writing  writes files completely or not at all, in a locked folder
    git           runs git
"""
