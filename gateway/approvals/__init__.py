"""A person's leave for one call, asked for and given out of band: never through the agent's own client."""
