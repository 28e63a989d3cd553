"""People's corrections of grades: taken in, checked, and written as a collection that ``prepare`` reads."""
