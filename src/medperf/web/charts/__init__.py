"""Charts as Vega-Lite specifications: values in, a dictionary out, whoever draws it."""
