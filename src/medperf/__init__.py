"""MedPerf: federated benchmarking of medical AI."""

__version__ = "0.1.0"
