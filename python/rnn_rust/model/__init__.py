"""Networks: their arguments, the arrays they pass to the engine, and what they compute."""
