"""The command line: arguments in, messages and exit statuses out. The other folders do the work.

A module imports only those above it:

    argument_types  numbers as argparse takes them
    console         messages, progress and exit statuses
    command_parser  argparse with errors that say what to do
    arguments       a command, and arguments that several commands take
    shared_data     one data file for one document or several
    method_options  the conversion options of tgenn export
    demo_network    the network of tgenn demo
    commands        one module per command
    main            tgenn and tgenn-export
"""
