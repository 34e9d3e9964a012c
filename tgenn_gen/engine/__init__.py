"""The NumPy engine: what a network means, run. No files but the results of an evaluation.

A module imports only those above it:

    ann                the ANN that a network stands for
    simulation         simulate
    evaluation         evaluate
    evaluation_report  evaluations as a table, JSON and a plot
"""
