"""Every parser of files that others made, under mutation: `python -m tests.fuzz --help`.

Two outcomes are allowed: success, or an ``InputError`` of one line. All else is a fault: another
exception, a panic, a crash, more than ten seconds, more than two gigabytes.
"""
