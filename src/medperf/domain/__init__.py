"""What the words mean: values and rules shared by server, site, command line and outside users."""
