"""Run folders: what a training leaves, and what was measured of it."""
