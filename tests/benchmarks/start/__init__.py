"""How fast a worker starts, and how long decisions wait while its model is replaced."""
