"""One module a family of tasks: its wordings as data, and a function that draws one task."""
