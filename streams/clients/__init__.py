"""Clients around the stream: publish a feed, subscribe to results, and send dead letters again."""
