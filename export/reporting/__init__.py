"""A page to show: models side by side, as HTML, Markdown or JSON.

The folder has the longer name because `export.report` is the function.
"""

from keras_diffmask.export.reporting.command import report
from keras_diffmask.export.reporting.document import Report

__all__ = ["Report", "report"]
