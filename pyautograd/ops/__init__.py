"""The ops, a family to a file. Importing a family registers its ops and attaches its methods."""
