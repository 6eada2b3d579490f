"""The steps of the Line (pep.py) and what they remember, one to a file. None of them forwards anything."""
