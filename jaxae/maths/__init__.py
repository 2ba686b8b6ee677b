"""Pure functions of arrays: bounds, divergences, Jacobians, quantisation and the precision of a run."""
