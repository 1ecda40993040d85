"""Where a run computes: devices, the processes that share a training, and the signals that end it."""
