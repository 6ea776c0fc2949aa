"""The nouns: every event, topic, taxonomy and file that crosses a boundary. Imports nothing of ours."""
