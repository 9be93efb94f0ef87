"""Tools for all packages: array types, argument checks, atomic file replacement, the console."""
