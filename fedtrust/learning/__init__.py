"""Local training: the Task a user writes, its state as vectors, baselines. The only room that needs torch."""
