"""The embedded Realtime server and its voices: the default backend where no key is set."""
