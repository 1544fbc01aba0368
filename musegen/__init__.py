"""musegen: a folder of recordings in; a versioned dataset, a gated model and new music out."""

__version__ = "0.1.0"
