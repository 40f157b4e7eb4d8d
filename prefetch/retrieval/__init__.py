"""Moving what the planner wrote, and looking whether it arrived: the mover and the verifier stages."""
