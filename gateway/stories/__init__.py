"""Stories: a small world, real tool servers, agents who try things, and what must come of it.

story.py   what a story.yaml may say, read strictly
world.py   the files, repositories and databases: made fresh, looked at, asked about
agents.py  an agent with a real MCP client of either era, and one who lies on the wire
stage.py   the gateway and its settings, policies and pins, set up for one play
play.py    one story from its first step to its last: what was heard, recorded and changed
judge.py   was it as the story says
"""
