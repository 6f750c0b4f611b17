"""Registered datasets: metadata of what stays at the sites."""
