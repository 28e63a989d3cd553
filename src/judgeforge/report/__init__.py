"""Stage 5: tables and plots of all judges, from the files that the other stages wrote."""
