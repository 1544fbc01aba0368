"""Corpus layouts. A new one is a module with `find` and `read`, named in `LOADERS`."""

from musegen.corpora.base import Found, Loader, Reading
from musegen.corpora.layouts import LAYOUTS, LOADERS, detect, loader

__all__ = ["LAYOUTS", "LOADERS", "Found", "Loader", "Reading", "detect", "loader"]
