"""Example edit sets that travel with the package."""
