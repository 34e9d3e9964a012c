"""A project's folder on disk: document, weights, scripts, example files, git.

A module imports only those above it:

    generated_files    which generated files tgenn wrote, and which were edited
    writing            writes documents and scripts, never over somebody else's file
    simulation_engines  simulates a network in NumPy or on GeNN
    git_configuration  .gitattributes and git's settings
    example_files      examples as .npy files, for model.cc
    event_recordings   recordings of event cameras and audio, read and checked
    event_frames       their events as frames
"""
