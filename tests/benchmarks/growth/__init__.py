"""How the cost per product grows with what the model has to know."""
