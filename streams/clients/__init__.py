"""What stands around the flow: a feed, a subscriber, and the keeper of the dead letters."""
