"""Prefect tasks: one call into musegen each, with retries, progress and the artifact that tells of it."""
