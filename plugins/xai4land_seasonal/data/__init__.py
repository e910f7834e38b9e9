"""Monthly data: seasons, climatologies, trends and histories."""
