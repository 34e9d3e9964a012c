"""The backends of the stand-in."""

backend_modules = {"fake": None}
