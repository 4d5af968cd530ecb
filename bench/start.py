"""How fast do the commands start, against NumPy's own import, in one run?"""
