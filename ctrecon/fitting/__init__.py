"""How a model becomes a trained one: by descent, by the choice of one number, in one training or in a sweep of many."""
