"""How fast, how exact and how frugal the engine is on this machine, beside what the machine can do.

Nothing here compares with a number from elsewhere: each figure is read against one of the same run,
such as the matrix-multiply ceiling of the same processor or a plain implementation of the same work.
"""
