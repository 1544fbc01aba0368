"""Label files that people have beside their recordings: one module a form, each `read(path)` gives labels.

Whatever is in a file, its reader gives labels or raises `BadInput` with the reason and, for text, the line.
"""
