"""What every floor uses: array types, argument checks, files replaced whole, the console."""
