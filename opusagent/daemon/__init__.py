"""The daemon: configuration, admission, routing, life cycle."""
