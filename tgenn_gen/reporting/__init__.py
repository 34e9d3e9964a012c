"""A network and its measures as one HTML page. It measures what analysis does not.

A module imports only those above it:

    charts        charts as SVG, arrays as PNG
    tables        tables and figures, as the templates print them
    observations  rates, events step by step, slow and wrong examples
    measures      all figures from one simulation
    accuracy      scores as charts and tables
    sections      figures as tables, charts and sentences
    key_figures   the few figures at the top
    page          report
    comparison    two networks side by side
"""
