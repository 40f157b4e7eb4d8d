"""From an order to the retrieves that it wants: the planner stage and the pure decisions behind it."""
