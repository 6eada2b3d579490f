"""How a call is taken back: packs say how, the Line captures before, the planner and executor do it."""
