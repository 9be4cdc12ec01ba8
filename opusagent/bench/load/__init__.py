"""Calls by the dozen, against a process that is looked at from outside: the daemon, or what it is compared with."""
