"""rdtctl, the command-line client of rdtd. It talks D-Bus and nothing else.

main.py finds the verb in verbs.py, whose table names a module for each; only that module is imported, so
that a verb starts as fast as it can. A verb's module turns arguments into calls (daemon.py) and answers
into text (table.py, picture.py) or JSON (documents.py).
"""
