"""What leads to the learning agents: decisions and verdicts, read and packed without Faust."""
