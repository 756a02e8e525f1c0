"""How fast Ballast is, beside the bound that is measured in the same run: `make bench`."""
