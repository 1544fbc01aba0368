"""Parquet shards: their schema, how they are written, committed and read."""
