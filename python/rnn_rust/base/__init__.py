"""What every floor uses: array types, argument checks, atomic file replacement, the console."""
