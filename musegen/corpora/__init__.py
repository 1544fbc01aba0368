"""Corpus layouts. A new one is a module with `find` and `read`, named in `LOADERS`."""

from musegen.corpora import folder, pop909
from musegen.corpora.base import Found, Loader

LOADERS: dict[str, Loader] = {"folder": folder, "pop909": pop909}

__all__ = ["LOADERS", "Found", "Loader"]
