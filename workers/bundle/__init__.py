"""The model bundle: a directory that is moved as one unit, and checked before it is used."""
