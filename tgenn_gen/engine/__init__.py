"""Runs a network in NumPy. It writes no files but the results of an evaluation.

A module imports only those above it:

    ann                the ANN that a network stands for
    simulation         simulate
    evaluation         evaluate
    evaluation_report  evaluations as a table, JSON and a plot
"""
