"""Trial of a model before training: every method is traced on shapes, and a mistake is reported in one line.

Without it, a wrong shape shows up as a long traceback from inside `jax.jit`, or only after training. Nothing
is computed: `jax.eval_shape` calls the methods as training and evaluation would.
"""

from jaxae.contract.capability_checks import check as check
from jaxae.contract.capability_checks import fitted as fitted
from jaxae.contract.members import check_fields as check_fields
from jaxae.contract.members import check_methods as check_methods
