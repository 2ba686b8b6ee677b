"""Pure functions of arrays: bounds, divergences, Jacobians, quantisation, precision."""
