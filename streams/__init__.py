"""The flow: the Faust apps, topics, tables, agents, sinks, metrics, health, settings and the command line."""
