"""What the scripts share to prepare a collection: download, unpack, choose, gather row by row, and write with a data card.

A script says where a collection lies, what its files mean and what is chosen of them. Everything here knows no collection, except
`imaging_data_commons`, which knows where LIDC-IDRI is served.
"""
