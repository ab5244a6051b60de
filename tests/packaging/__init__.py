"""What is installed beside the programs: units, manual pages, completion, packages.

What the documents say of options, verbs and interfaces is compared with the programs themselves.
"""
