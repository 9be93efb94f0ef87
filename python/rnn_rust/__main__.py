"""``python -m rnn_rust``: the command line."""

from rnn_rust.cli import main

main()
