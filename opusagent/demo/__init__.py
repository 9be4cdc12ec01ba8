"""One call that anyone can watch, offline, on a fresh machine."""
