"""The designs of the reverse map on trial."""
