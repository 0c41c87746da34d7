"""``python -m fedtrust`` is the ``fedtrust`` command."""

from fedtrust.cli.main import main

if __name__ == "__main__":
    main()
