"""What `python -m` of this package can do: one module for each subject, with its commands, arguments and exit codes.

Each has `add(commands)`, which declares its commands. Only what is asked for is imported, inside its function.
"""
