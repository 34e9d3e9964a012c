"""A project's folder on disk: document, weights, scripts, example files, git.

A module imports only those above it:

    writing            writes documents and scripts, never over somebody else's file
    git_configuration  .gitattributes and git's settings
    example_files      examples as .npy files, for model.cc
"""
