"""How soon a worker is ready, and what decisions wait for while one model takes the place of another."""
