"""The commands, by whom they speak to. Each reads its arguments, calls a room of the house, and gives an exit status.

A command imports its room when it runs, so that `--version` and mistakes are answered at once.
"""
