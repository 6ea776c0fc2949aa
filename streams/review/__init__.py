"""Review: the products that wait for a person, publishing verdicts, and reading them."""
