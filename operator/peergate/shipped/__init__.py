"""What an installation consists of, as values: written out, and compared with what a cluster has.

Read by the operator, which keeps it so, and by the command line, which looks whether it is so. Nothing here
talks to a cluster.
"""
