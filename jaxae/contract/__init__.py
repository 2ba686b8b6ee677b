"""The trial of a model before training: every method by its shapes, each mistake in one line."""

from jaxae.contract.members import check_fields as check_fields
from jaxae.contract.members import check_methods as check_methods
from jaxae.contract.table import check as check
from jaxae.contract.table import fitted as fitted
