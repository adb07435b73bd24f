"""The page at ``/``: static files as they are served, without a build chain."""
