"""Sockets, HTTP and the guard around both. Nothing behind this room sees a network library."""
