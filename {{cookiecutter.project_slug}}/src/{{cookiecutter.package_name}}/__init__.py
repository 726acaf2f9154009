"""Your part of the project: readers of data sets in data/, networks in models/. reproml beside it does the rest."""
