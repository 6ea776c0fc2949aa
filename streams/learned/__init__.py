"""What was learned from the stream, as whoever decides reads it: statistics and standing verdicts."""
