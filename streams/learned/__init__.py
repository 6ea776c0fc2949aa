"""What was learned from the stream, as the deciding stages read it: statistics and standing verdicts."""
