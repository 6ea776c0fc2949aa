"""The model bundle: a directory moved as one unit, checked before it is used."""
