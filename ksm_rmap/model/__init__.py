"""The executable model: an immutable state, one pure function an operation, rules as data."""
