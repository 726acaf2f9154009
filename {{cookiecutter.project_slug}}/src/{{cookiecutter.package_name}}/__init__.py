"""Your part of the project: data in data/, networks in models/, what is learned in tasks/.

reproml beside it does the rest.
"""
