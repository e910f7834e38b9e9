"""Land cover as climate models read it, each with a checker."""
