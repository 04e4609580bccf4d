"""What can be said of words without a network: what disguised letters mean, which language, whom they name.

Pure functions over strings. Every place that they tell is one in the text that they were given.
"""
