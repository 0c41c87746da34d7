"""The only room with torch: Task, state dict and vector, local training."""
