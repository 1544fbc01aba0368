"""The steps of the pipeline as plain functions over a workspace, one a DVC stage, and the deployment after them.

Each is a whole step that can be run again after a kill; tasks wrap them for Prefect, and nothing here knows of it.
"""
