"""Runs a network in NumPy. It writes no files but the results of an evaluation.

A module imports only those above it:

    compilation        compiles functions with numba, if it is installed; runs them in threads
    event_sums         convolutions that skip zeros
    compiled_maps      the currents of populations
    compiled_neurons   neurons, and counts of spikes
    numpy_engines      NumPy alone, or compiled
    ann                the ANN that a network stands for
    simulation         simulate
    accuracy_interval  the uncertainty of an accuracy
    evaluation_plot    accuracy against time steps
    evaluation         evaluate
    evaluation_report  evaluations as a table and as JSON
"""
