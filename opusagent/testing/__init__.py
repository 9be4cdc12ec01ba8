"""Shipped test equipment: memory sockets, a scripted caller and a scripted model, for virtual time and real."""
