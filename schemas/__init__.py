"""Definitions of all events, topics, taxonomies and files that cross a boundary. Imports nothing else of ours."""
