"""How the cost of a product grows with what the model has to know."""
