"""Where heavy arithmetic runs: cores, worker processes, tables on disk. Behind the batch seam of ``crypto``."""
