"""Which trainings and measurements a figure needs."""
