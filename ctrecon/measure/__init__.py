"""How good an image is and what a model costs, by named definitions, over a whole test set."""
