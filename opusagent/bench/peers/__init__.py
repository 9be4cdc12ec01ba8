"""Other programs that do this job, each as its own documentation sets it up, to be measured beside the daemon.

They are programs for an interpreter that has the extra `bench-peers`, and nothing here imports them.
"""
