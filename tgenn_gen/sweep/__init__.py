"""Runs scripts of several projects with several settings, and collects the results. It simulates nothing.

A module imports only those above it:

    sweep_file    sweep.yaml, read and checked
    tasks         the commands that it stands for
    task_running  runs them in processes, here or on a Dask cluster
    sweep_table   the results as a table
    sweep_page    the results as an HTML page
"""
