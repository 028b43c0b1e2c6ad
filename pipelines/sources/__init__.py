"""Sources of weather; each gives one month of fields in the same form."""
