"""Your part of the project: readers of data sets in data/, networks in models/, what is learned in tasks/.

reproml beside it does the rest.
"""
