"""The input of the learning agents: decisions and verdicts are read and packed without Faust."""
