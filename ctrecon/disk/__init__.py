"""The ground: writing whole or not at all, tables, HDF5, and what is kept between runs. This room knows no CT."""
