"""Review: what waits for a person, what a person says, and what people have said."""
