"""One telephone call: what it decides (session, playout) and what it does (uplink, downlink, call, recorder)."""
