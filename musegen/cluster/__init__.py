"""The only door to Ray: connect to a cluster, map shards over it, train on it."""
