"""The field's metrics, one module per kind of clinical task."""
