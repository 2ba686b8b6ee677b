"""What a spec is: a pytree with named fields, and its record as JSON."""
