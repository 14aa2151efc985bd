"""`python -m keras_diffmask`."""

import sys

from keras_diffmask.export.cli import main

if __name__ == "__main__":
    sys.exit(main())
