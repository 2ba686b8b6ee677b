"""A user's own rows as other libraries hold them, converted to sources of rows and arrays of labels."""
