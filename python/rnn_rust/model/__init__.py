"""Networks: their arguments, the arrays that the engine takes, and what is computed on them."""
